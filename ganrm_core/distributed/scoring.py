"""Scoring on a Ray cluster: pictures listed, shards scored by a pool of actors that grows with the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..utils.progress import Progress, ProgressCallback
from .cluster import ClusterSettings, WorkerResources, worker_resources
from .run_folder import RunFolder, RunSettings, Shard, list_source, shards_of
from .shipped_model import ShippedModel
from .storage import is_url, pyarrow_module

_MOST_BLOCKS = 4096  # Ray keeps about 10 kB per block in the process that drives it


@dataclass(frozen=True)
class RunResult:
    """`pictures` of the whole run, of which `earlier` were done before this call; `errors` of this call have no score."""

    pictures: int
    earlier: int
    errors: int


class ScoringActor:
    """Ray Data's actor: takes rows (source, number) that name shards, scores these, and returns a line about each."""

    def __init__(
        self, place: str, settings: RunSettings, model: ShippedModel, resources: WorkerResources
    ) -> None:
        from .shard_scorer import ShardScorer  # with torch, which the command can do without

        resources.settle()
        self._scorer = ShardScorer(place, settings, lambda: model.load(resources.device))

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for source, number in zip(batch["source"], batch["number"], strict=True):
            done = self._scorer.score(Shard(int(source), int(number)))
            yield {"pictures": np.array([done.pictures]), "errors": np.array([done.errors])}


@dataclass(frozen=True)
class ScoringJob:
    """A run's folder `place` and settings, its model, and what its workers take of the cluster."""

    place: str
    settings: RunSettings
    model: ShippedModel
    cluster: ClusterSettings

    def run(self, ray: Any, progress: ProgressCallback) -> RunResult:
        """Score what is not yet scored; the folder must have been begun with the same settings.

        Of the pictures in folders only the numbers of their shards are held here.
        """
        folder = RunFolder(self.place)
        counts = folder.counts()
        if counts is None:
            counts = self._list(ray, folder, progress)
        finished = folder.finished()
        total = done = errors = 0
        pending: dict[Shard, int] = {}
        for shard, size in shards_of(counts, self.settings.shard_size):
            total += size
            if shard in finished:
                done += size
            else:
                pending[shard] = size
        earlier = done
        progress(Progress("scoring", done, total, {"errors": errors}))
        # The largest first: no worker is left alone with a large one in the end.
        largest_first = sorted(pending, key=pending.__getitem__, reverse=True)
        try:
            for pictures, failed in self._scored(ray, largest_first):
                done, errors = done + pictures, errors + failed
                progress(Progress("scoring", done, total, {"errors": errors}))
        except KeyboardInterrupt:
            folder.forget_attempts()  # no picture is to blame for these
            raise
        return RunResult(total, earlier, errors)

    def _list(self, ray: Any, folder: RunFolder, progress: ProgressCallback) -> list[int]:
        """List every source; returns the pictures of each."""
        sources, largest = self.settings.sources, self.settings.shard_size
        counts = [0] * len(sources)
        progress(Progress("listing", 0, len(sources)))
        if self.cluster.is_this_machine and len(sources) == 1 and not is_url(sources[0].place):
            # A task would be no faster here, and its worker must start first.
            counts = [list_source(self.place, 0, sources[0], 1, largest)]
            progress(Progress("listing", 1, 1))
        else:
            task = ray.remote(list_source)
            waiting = {
                task.remote(self.place, number, each, len(sources), largest): number
                for number, each in enumerate(sources)
            }
            while waiting:
                ready, _ = ray.wait(list(waiting), num_returns=1)
                counts[waiting.pop(ready[0])] = ray.get(ready[0])
                progress(Progress("listing", len(sources) - len(waiting), len(sources)))
        folder.complete_listing(counts)
        return counts

    def _scored(self, ray: Any, pending: Sequence[Shard]) -> Iterator[tuple[int, int]]:
        """Pictures and errors of each shard, as they come."""
        if not pending:
            return
        resources = worker_resources(ray, self.cluster)
        lines = ray.data.from_arrow(_blocks(pending)).map_batches(
            ScoringActor,
            fn_constructor_args=(self.place, self.settings.without_names(), self.model, resources),
            batch_size=1,
            **resources.pool(ray),
        )
        for batch in lines.iter_batches(batch_size=None, prefetch_batches=0):
            yield from zip(batch["pictures"].tolist(), batch["errors"].tolist(), strict=True)


def _blocks(shards: Sequence[Shard]) -> list[Any]:
    """Tables of shards, one per task of an actor."""
    arrow = pyarrow_module("")
    size = -(-len(shards) // _MOST_BLOCKS)
    groups = [shards[start : start + size] for start in range(0, len(shards), size)]
    return [
        arrow.table({"source": [s.source for s in group], "number": [s.number for s in group]})
        for group in groups
    ]
