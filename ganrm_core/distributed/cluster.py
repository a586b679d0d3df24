"""Connection to a Ray cluster, the resources of a worker, and errors of workers as ours."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from ..utils.disk_cache import keep_in
from ..utils.errors import GanRMError
from ..utils.optional_imports import cannot_import
from .storage import INSTALL

_LOCAL_OBJECT_STORE = 512 << 20  # bytes: blocks hold names and figures, never pictures
_MOST_CORES = 4


@dataclass(frozen=True)
class ClusterSettings:
    """`address` of the cluster, None for this machine alone; what workers take of it.

    `device`: "cuda" for GPUs, "cpu" for none, "auto" for GPUs where there are any. `cores`: of a worker without one, 0: up
    to four.
    """

    address: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    cores: int = 0

    @property
    def is_this_machine(self) -> bool:
        """Whether no cluster is named, so that Ray is started on this machine alone."""
        return not (self.address or os.environ.get("RAY_ADDRESS"))


@dataclass(frozen=True)
class WorkerResources:
    """What one worker takes of the cluster: one GPU, or else cores of one node."""

    cores: int
    gpus: int

    @property
    def device(self) -> str:
        return "cuda" if self.gpus else "cpu"

    def pool(self, ray: Any) -> dict[str, Any]:
        """Options of `map_batches` for a pool of such workers, which begins with as many as the cluster has room for."""
        return {
            # No largest size: the pool also takes nodes that join later.
            "compute": ray.data.ActorPoolStrategy(
                min_size=1, initial_size=self._room(ray), max_tasks_in_flight_per_actor=2
            ),
            **({"num_gpus": self.gpus} if self.gpus else {"num_cpus": self.cores}),
        }

    def _room(self, ray: Any) -> int:
        """How many workers the nodes of now have room for, at least one."""
        kind, each = ("GPU", self.gpus) if self.gpus else ("CPU", self.cores)
        return max(1, sum(int(has.get(kind, 0)) // each for has in _nodes(ray)))

    def settle(self) -> None:
        """Keep this process, a worker, to its cores, and without a cache on disk: one node's holds no share of millions."""
        if not self.gpus:
            import torch  # not above: the command can do without

            torch.set_num_threads(self.cores)
        keep_in(None)


@contextmanager
def connected(settings: ClusterSettings) -> Iterator[Any]:
    """Inside, this process is connected to the cluster; yields the module `ray`.

    An existing connection is used and left open. Raises GanRMError where no cluster answers, and turns errors of workers
    into ours.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unasked
    ray = _imported("ray")
    ours = not ray.is_initialized()
    if ours:
        _imported("pyarrow")  # the part of Ray Data most often missing: refused before Ray starts
        _connect(ray, settings)
    try:
        _quiet(_imported("ray.data"))  # takes a second, in which the first workers of a new cluster start
        yield ray
    except Exception as error:
        if (own := own_error(error)) is not None and own is not error:
            raise own from None
        raise
    finally:
        if ours:
            ray.shutdown()


def own_error(error: BaseException | None) -> GanRMError | None:
    """The error of this package that an error of Ray's was caused by, if any."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, GanRMError) and type(error).__module__ == GanRMError.__module__:
            return error
        error = getattr(error, "cause", None) or error.__cause__ or error.__context__
    return None


def worker_resources(ray: Any, settings: ClusterSettings) -> WorkerResources:
    """A GPU for each worker where the cluster has any; else cores.

    Waits for a first node with cores, as on a cluster whose head takes no work. Raises GanRMError where "cuda" is asked for
    and there is no GPU.
    """
    if not any(has.get("CPU") for has in _nodes(ray)):
        # A task needs a core, so the cluster brings a node that has one.
        ray.get(ray.remote(_nothing).remote())
    if settings.device != "cpu" and ray.cluster_resources().get("GPU", 0) >= 1:
        return WorkerResources(cores=0, gpus=1)
    if settings.device == "cuda":
        raise GanRMError(
            "No node of the Ray cluster has a GPU now. Wait until one has joined, or leave out --device cuda to use cores."
        )
    largest = max((int(has.get("CPU", 0)) for has in _nodes(ray)), default=1)
    return WorkerResources(cores=max(1, min(settings.cores or _MOST_CORES, largest)), gpus=0)


def _nothing() -> None:
    """A task that only waits for its turn."""


def _nodes(ray: Any) -> list[dict[str, float]]:
    """The resources of each node of now."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _imported(module: str) -> Any:
    """A module of Ray Data, or one it needs. Raises GanRMError that says what to install."""
    try:
        return import_module(module)
    except Exception as error:
        raise GanRMError(cannot_import("--engine ray", "Ray Data", error, INSTALL)) from error


def _quiet(data: Any) -> None:
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _connect(ray: Any, settings: ClusterSettings) -> None:
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if settings.is_this_machine:
            ray.init("local", include_dashboard=False, object_store_memory=_LOCAL_OBJECT_STORE, **quiet)
        else:
            ray.init(settings.address, **quiet)  # without one, Ray reads RAY_ADDRESS
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[0].rstrip(".")
        if address := settings.address or os.environ.get("RAY_ADDRESS"):
            raise GanRMError(
                f"No Ray cluster answers at {address} ({reason}). Check --ray-address, such as auto on a node of the cluster, or "
                "leave it and RAY_ADDRESS out to use this machine alone."
            ) from error
        raise GanRMError(
            f"Ray could not be started on this machine ({reason}). Try again when it is less busy, or see Ray's logs, in the "
            "folder ray/session_latest/logs of the temporary files."
        ) from error
