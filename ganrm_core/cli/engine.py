"""`--engine ray`: the options of commands that run on a cluster too."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..distributed.cluster import ClusterSettings


def add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        default="local",
        choices=["local", "ray"],
        help="local: this process (default); ray: workers on a Ray cluster, or on all cores and GPUs of this machine "
        "(docs/scale.md)",
    )
    parser.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="with ray: the cluster, such as auto on one of its nodes (default: the environment variable RAY_ADDRESS, or else "
        "this machine alone)",
    )
    parser.add_argument(
        "--worker-cores",
        type=positive,
        metavar="N",
        help="with ray: cores of each worker that has no GPU (default: up to 4)",
    )


def add_shard_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shard-size",
        type=positive,
        metavar="N",
        help="with ray: the most pictures per unit of work and per file of results (default 1000); what is lost with a worker",
    )


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def refuse_without_ray(options: argparse.Namespace, *names: str) -> None:
    """Raise DataError where one of the options `names` is given, which only --engine ray has."""
    from ..utils.errors import DataError

    given = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) is not None]
    if given:
        raise DataError(f"{given[0]} is for --engine ray. Add that, or leave {given[0]} out.")


def cluster_settings(options: argparse.Namespace) -> ClusterSettings:
    """The cluster and workers that the options name.

    Raises DataError for a device that Ray does not hand out, and for a cache, which workers do not share.
    """
    from ..distributed.cluster import ClusterSettings
    from ..utils.errors import DataError

    device: Any = options.device
    if device not in ("auto", "cpu", "cuda"):
        raise DataError(f"With --engine ray the device is auto, cpu or cuda, not {device!r}.")
    if options.cache not in (None, "off"):
        raise DataError("With --engine ray nothing is cached: leave out --cache.")
    return ClusterSettings(options.ray_address, device, options.worker_cores or 0)
