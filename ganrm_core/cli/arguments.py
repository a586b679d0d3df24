"""Command-line arguments that several commands share, and the device and model they name."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..utils.errors import GanRMError
from ..utils.logs import logger_of
from .given_paths import given_path

if TYPE_CHECKING:
    from ..rewards.base import Reward
    from ..rewards.combination_file import Source

_log = logger_of(__name__)

Subparsers = Any
"""Return type of `ArgumentParser.add_subparsers`, which argparse does not make public."""

MODEL_HELP = (
    "a checkpoint made by `ganrm train`, several by `ganrm combine`, or a published judge with its local files: "
    "prompt-fit:CLIP_FOLDER, pickscore:FOLDER, hps:FILE, image-reward:FILE, laion:HEAD,ENCODER or "
    "aesthetic-v2.5:HEAD,ENCODER"
)


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        default="auto",
        metavar="NAME",
        help="cpu, cuda, mps or auto: a GPU where there is one (default)",
    )


def add_backbones(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backbones",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder to look for backbone weights in, such as ComfyUI's models/clip_vision (repeatable)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """MODEL, and the options for loading it."""
    parser.add_argument("model", type=given_model, metavar="MODEL", help=MODEL_HELP)
    add_loading(parser)


def given_model(text: str) -> Source:
    """The published network or the path that `text` means; an existing file of exactly that name takes precedence."""
    path = given_path(text)
    if path.exists():
        return path  # without the next import, which is that of torch
    from ..rewards.network_spec import network_spec

    try:
        return network_spec(text, given_path) or path
    except GanRMError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_loading(parser: argparse.ArgumentParser) -> None:
    """The options for loading models."""
    parser.add_argument(
        "--backbone", metavar="NAME", help="where the model's backbone is, if it is not found by itself"
    )
    add_backbones(parser)
    add_device(parser)
    add_cache(parser)


def add_recursive(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recursive", action="store_true", help="read subfolders too")


def add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        metavar="DIR",
        help="where what the backbone makes of your files is kept, so that they are only read next time; 'off' keeps "
        "nothing (default: the environment variable GANRM_CACHE, or else the user's cache folder)",
    )


def add_json(parser: Any, what: str) -> None:
    """`--json` for a parser or a group of options."""
    parser.add_argument("--json", action="store_true", help=what)


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """`--verbose`, absent from the namespace unless given, so that it counts before and after the command."""
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        default=argparse.SUPPRESS,
        help="print what is read, loaded and computed, and the seconds it takes, to standard error",
    )


@contextmanager
def cache_of(options: argparse.Namespace) -> Iterator[None]:
    """Inside, and from then on in this process, use the feature cache that `--cache` names, where the command has it."""
    from ..utils.disk_cache import cache_in, keep_in, user_folder

    if "cache" not in options:
        yield
        return
    cache = cache_in(user_folder(), options.cache or "")
    keep_in(cache)
    yield
    if cache is not None:
        _log.info("feature cache %s: %d hits, %d misses", cache.path, cache.hits, cache.misses)


def device(options: argparse.Namespace) -> str:
    """The device that `--device` names. Raises GanRMError where it is not available."""
    import torch

    if options.device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=options.device)
    except (RuntimeError, AssertionError) as error:
        raise GanRMError(
            f"The device {options.device!r} cannot be used ({str(error).splitlines()[0]}). Use --device cpu."
        ) from error
    return str(options.device)


def load_model(options: argparse.Namespace) -> Reward:
    """The reward model, the published network, or the combination of several, that MODEL names."""
    return load_source(options.model, options)


def load_source(source: Source, options: argparse.Namespace) -> Reward:
    """As `load_model`, of any model."""
    from ..rewards.combination_file import load_reward

    return load_reward(
        source, backbone=options.backbone, search_folders=options.backbones, device=device(options)
    )
