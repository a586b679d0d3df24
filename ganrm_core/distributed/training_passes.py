"""The two passes of a training over its pictures on a Ray cluster; what follows them stays on one machine."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..backbones.registry import load_backbone
from ..data.image_cache import ImageCache
from ..data.skipped_files import Skipped
from ..leakage.neutralisation import Neutraliser
from ..training.config import TrainingSettings
from ..training.dataset_scan import DatasetScan, ScanRecord, read_records
from ..training.feature_extraction import Extraction, Features
from ..training.picture_table import PictureTable
from ..training.trainer import extraction_of
from ..utils.errors import DataError
from .cluster import ClusterSettings, WorkerResources, worker_resources
from .storage import check_visible, pyarrow_module

_TOGETHER = 32  # pictures per task: what is lost with a worker

Outcome = tuple[int, Any, str]
"""Position, and the result or why there is none."""


class RayPasses:
    """`PicturePasses` by workers of a cluster, which must see the files under the same paths as this machine."""

    def __init__(
        self,
        ray: Any,
        cluster: ClusterSettings,
        settings: TrainingSettings,
        search_folders: Sequence[Path] = (),
    ) -> None:
        """Raises DataError for settings whose passes cannot be taken apart."""
        if settings.adapt != "none":
            raise DataError(
                "--adapt lora trains the backbone itself, on one machine: leave out --engine ray, or --adapt."
            )
        self._ray, self._cluster, self._settings = ray, cluster, settings
        self._search_folders = tuple(folder.absolute() for folder in search_folders)

    def records(
        self, paths: Sequence[Path], hashes: Sequence[str], decoded: ImageCache, skipped: list[Skipped]
    ) -> Iterator[tuple[int, ScanRecord]]:
        """As `dataset_scan.read_records`; no decoded picture comes back from the workers."""
        del decoded
        work = _RecordReading(_resolved(paths), list(hashes))
        yield from self._carried_out(work, range(len(paths)), paths, skipped)

    def features(
        self, work: Extraction, positions: Sequence[int], skipped: list[Skipped]
    ) -> Iterator[tuple[int, Features]]:
        """As `Extraction.stream`, by backbones that the workers load."""
        table = work.table
        reading = _FeatureReading(
            self._settings,
            self._search_folders,
            replace(table, paths=_resolved(table.paths)),
            work.neutraliser,
        )
        yield from self._carried_out(reading, positions, table.paths, skipped)

    def _carried_out(
        self, work: Any, positions: Sequence[int], paths: Sequence[Path], skipped: list[Skipped]
    ) -> Iterator[tuple[int, Any]]:
        """Results in the order of `positions`, those that come early kept until their turn."""
        resources = worker_resources(self._ray, self._cluster)
        results = self._ray.data.from_arrow(_blocks(positions)).map_batches(
            PassActor,
            fn_constructor_args=(self._ray.put(work), resources),
            batch_size=_TOGETHER,
            **resources.pool(self._ray),
        )
        early: dict[int, tuple[Any, str]] = {}
        upcoming = iter(positions)
        position = next(upcoming, None)
        for batch in results.iter_batches(batch_size=None, prefetch_batches=0):
            for packed in batch["outcome"]:
                done, result, error = pickle.loads(packed)
                early[done] = (result, error)
            while position in early:
                result, error = early.pop(position)
                if error:
                    skipped.append(Skipped(paths[position], error))
                else:
                    yield position, result
                position = next(upcoming, None)


class PassActor:
    """Ray Data's actor: takes positions of pictures, and returns an outcome for each, pickled."""

    def __init__(self, work: Any, resources: WorkerResources) -> None:
        resources.settle()
        import ray

        self._work = ray.get(work) if isinstance(work, ray.ObjectRef) else work
        self._device = resources.device

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        outcomes = self._work.outcomes([int(each) for each in batch["position"]], self._device)
        return {"outcome": [pickle.dumps(outcome) for outcome in outcomes]}


@dataclass
class _RecordReading:
    """The first pass: file statistics and signatures."""

    paths: list[Path]
    hashes: list[str]

    def outcomes(self, positions: list[int], device: str) -> list[Outcome]:
        del device
        paths = [self.paths[position] for position in positions]
        _check_visible(paths)
        skipped: list[Skipped] = []
        hashes = [self.hashes[position] for position in positions]
        found = dict(read_records(paths, hashes, ImageCache(), skipped))
        reasons = {entry.path: entry.reason for entry in skipped}
        return [
            (position, found[place], "") if place in found else (position, None, reasons[paths[place]])
            for place, position in enumerate(positions)
        ]


@dataclass
class _FeatureReading:
    """The second pass: features of the views. The backbone is loaded by the worker, once."""

    settings: TrainingSettings
    search_folders: tuple[Path, ...]
    table: PictureTable
    neutraliser: Neutraliser
    extraction: Extraction | None = None

    def outcomes(self, positions: list[int], device: str) -> list[Outcome]:
        _check_visible([self.table.paths[position] for position in positions])
        if self.extraction is None:
            backbone = load_backbone(self.settings.backbone, search_folders=self.search_folders).to(device)
            scan = DatasetScan(self.table, ImageCache())
            self.extraction = extraction_of(self.settings, backbone, scan, self.neutraliser)
        skipped: list[Skipped] = []
        found = dict(self.extraction.stream(positions, skipped))
        reasons = {entry.path: entry.reason for entry in skipped}
        return [
            (each, found[each], "") if each in found else (each, None, reasons[self.table.paths[each]])
            for each in positions
        ]


def _check_visible(paths: Sequence[Path]) -> None:
    for folder in {path.parent for path in paths}:
        check_visible(folder)


def _resolved(paths: Sequence[Path]) -> list[Path]:
    return [path.absolute() for path in paths]


def _blocks(positions: Sequence[int]) -> list[Any]:
    arrow = pyarrow_module("")
    return [
        arrow.table({"position": list(positions[start : start + _TOGETHER])})
        for start in range(0, len(positions), _TOGETHER)
    ]
