"""Feature pass: every picture neutralised, augmented into views, and run through the backbone once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from ..data.augmentation import views as make_views
from ..data.image_io import to_float
from ..data.skipped_files import Skipped
from ..data.streaming import decoders_beside, stream_files
from ..leakage.neutralisation import Neutraliser
from ..rewards.discriminator.feature_cache import FeatureCache
from ..rewards.discriminator.feature_extractor import FeatureExtractor
from ..rewards.discriminator.file_features import LoadedFile, load_unless_cached
from ..utils.progress import Progress, ProgressCallback
from .dataset_scan import DatasetScan
from .feature_rows import Rows
from .picture_table import PictureTable
from .trunk_states import TrunkStates

_VIEWS = "views"
_REMEDY_VERSION = 2
"""Increased when neutralisation changes pictures in another way, so that cached features of the former are not used."""

Item = TypeVar("Item")
Features = dict[str, Tensor]
"""Of one picture: its views' features [V, D] under `_VIEWS`, and by nuisance how features move under it, [D]."""


ReadFeatures = Callable[["Extraction", Sequence[int], list[Skipped]], Iterator[tuple[int, Features]]]
"""Carries out an extraction for some positions of its table, as `Extraction.stream` does."""


@dataclass(frozen=True)
class Views:
    """Augmented versions of each picture, itself included: how many, and the seed."""

    count: int
    seed: int

    def seed_of(self, content: str) -> int:
        """A picture's own seed, from its content hash, so that adding a picture changes no other picture's views."""
        return self.seed ^ int(content[:12], 16)


@dataclass(frozen=True)
class DatasetFeatures:
    """The usable pictures with their features [N, V, D], float32.

    `nuisances`: for each thing neutralised, how features move under it, [M, D]. `states`: where the frozen part of
    the backbone left off, for LoRA.
    """

    table: PictureTable
    features: Tensor
    nuisances: list[Tensor]
    states: TrunkStates | None = None
    skipped: list[Skipped] = field(default_factory=list)

    def rows(self) -> Rows:
        return Rows(self.features, torch.from_numpy(self.table.labels).float())


def extract_features(
    scan: DatasetScan,
    reader: FeatureExtractor,
    neutraliser: Neutraliser,
    views: Views,
    *,
    progress: ProgressCallback,
    states: TrunkStates | None = None,
) -> DatasetFeatures:
    """Features of every picture, from the backbone or the cache on disk (see `disk_cache.keep_in`).

    The scan's decoded pictures are used up. With `states` these are filled, the cache is not used, and nuisances are
    not measured. Files that became unreadable since the scan are skipped, too. Raises DataError where too few are left.
    """
    return collect_features(Extraction(scan, reader, neutraliser, views, states), progress=progress)


def collect_features(
    work: Extraction, *, progress: ProgressCallback, read: ReadFeatures | None = None
) -> DatasetFeatures:
    """As `extract_features`, of an extraction that `Extraction.stream`, or else `read`, carries out."""
    scan, count = work.scan, len(work.scan.table)
    skipped: list[Skipped] = []
    read_at: list[int] = []
    features: list[Tensor] = []
    moved: dict[str, list[Tensor]] = {}
    progress(Progress("reading pictures", 0, count))
    # No name is given to the stream: it must end, and its threads with it, where the loop is left.
    for index, found in (read or Extraction.stream)(work, range(count), skipped):
        read_at.append(index)
        for name, value in found.items():
            if name == _VIEWS:
                features.append(value)
            else:
                moved.setdefault(name, []).append(value)
        progress(Progress("reading pictures", index + 1, count))
    scan.decoded.clear()
    if skipped:
        scan = scan.take(read_at, skipped)
    return DatasetFeatures(
        scan.table,
        torch.stack(features),
        [torch.stack(moved[name]) for name in sorted(moved)],
        work.states,
        scan.skipped,
    )


class Extraction:
    """One feature pass over a scanned dataset; it may be carried out in parts, by several processes."""

    def __init__(
        self,
        scan: DatasetScan,
        reader: FeatureExtractor,
        neutraliser: Neutraliser,
        views: Views,
        states: TrunkStates | None,
    ) -> None:
        self.scan, self.table, self.decoded = scan, scan.table, scan.decoded
        self.reader, self.neutraliser, self.views, self.states = reader, neutraliser, views, states
        self.paired = neutraliser.perturbation_sample(scan.table.labels, views.seed)
        self.seeds = [views.seed_of(content) for content in scan.table.hashes]
        self.cache = FeatureCache(reader, neutraliser.border_trim)
        self.remedy = _remedy_hash(neutraliser, scan.table)

    def stream(self, positions: Sequence[int], skipped: list[Skipped]) -> Iterator[tuple[int, Features]]:
        """(position, features) of the pictures at some positions of the table, in order.

        In threads where the backbone runs well side by side, else in batches.
        """
        paths = [self.table.paths[position] for position in positions]

        def opened(place: int, path: Path) -> tuple[int, LoadedFile[Features]]:
            return positions[place], self._opened(positions[place], path)

        if self.reader.threads and not self.states:
            for place, (found,) in stream_files(
                paths,
                lambda place, path: self._read([opened(place, path)]),
                workers=self.reader.threads,
                share=True,
                skipped=skipped,
            ):
                yield positions[place], found
            return
        workers = decoders_beside(self.reader.device.type)
        files = stream_files(paths, opened, workers=workers, skipped=skipped)
        size = 1 if self.states else max(1, self.reader.group_size // self.views.count)
        for batch in _batched((file for _, file in files), size):
            yield from zip([index for index, _ in batch], self._read(batch), strict=True)

    def _opened(self, index: int, path: Path) -> LoadedFile[Features]:
        return load_unless_cached(
            path,
            lambda content: None if self.states else self.cache.get(content, self._key(index)),
            lambda content: self.decoded.take(content or self.table.hashes[index]),
        )

    def _key(self, index: int) -> str:
        """What decides a picture's features beside its content and the backbone."""
        label, paired = int(self.table.labels[index]), bool(self.paired[index])
        neutralised = f"{self.remedy} {label} {paired}" if self.remedy else ""
        return f"{self.views.count} views, {self.seeds[index]}, {neutralised}"

    def _read(self, batch: Sequence[tuple[int, LoadedFile[Features]]]) -> list[Features]:
        """Features of each picture, cached or from one call of the backbone."""
        new = [self._augmented(index, seen.image) for index, seen in batch if seen.image is not None]
        read = iter(_split_features(new, self.states.read if self.states else self.reader))
        found: list[Features] = []
        for index, seen in batch:
            if seen.kept is not None:
                found.append(seen.kept)
                continue
            assert seen.image is not None
            found.append({_VIEWS: next(read)})
            if self.states:
                continue
            if self.paired[index]:
                found[-1] |= self._differences(index, seen.image)
            self.cache.put(seen.content, found[-1], self._key(index))
        return found

    def _augmented(self, index: int, image: Tensor) -> Tensor:
        """Views [V, 3, S, S] of the picture as it is trained on."""
        label, seed = int(self.table.labels[index]), self.seeds[index]
        return self._views_of(self.neutraliser.neutralise(image, label, seed), self.views.count, seed)

    def _views_of(self, image: Tensor, count: int, seed: int) -> Tensor:
        size = self.reader.backbone.spec.input_size
        return make_views(self.neutraliser.border_trim(to_float(image)), count, size, seed=seed)

    def _differences(self, index: int, image: Tensor) -> Features:
        """How the picture's features [D] move under each nuisance.

        In the plain view, and in a random one, the same before and after: a cropped picture is another size.
        """
        seed = self.seeds[index]
        perturbed = self.neutraliser.perturbed(image, int(self.table.labels[index]), seed)
        if not perturbed:
            return {}
        pairs = [self._views_of(each, 2, seed) for each in (image, *perturbed.values())]
        features = self.reader(torch.cat(pairs)).cpu().clone().unflatten(0, (len(pairs), 2))
        moved = features[1:] - features[0]
        return {
            f"{name}, {view}": moved[place, number]
            for place, name in enumerate(perturbed)
            for number, view in enumerate(("plain", "random view"))
        }


def _split_features(views: Sequence[Tensor], reader: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Features [V, D] of the views [V, 3, S, S] of each picture, from one call of the reader."""
    if not views:
        return []
    # A copy outside inference mode: training differentiates through heads fed with these.
    features = reader(torch.cat(list(views))).cpu().clone()
    return list(features.split([len(each) for each in views]))


def _remedy_hash(neutraliser: Neutraliser, table: PictureTable) -> str:
    """Hash of what decides how pictures are neutralised: the files of both folders. "" where nothing is."""
    if not neutraliser.nuisances:
        return ""
    measured = [(nuisance.name, len(nuisance.variants)) for nuisance in neutraliser.nuisances]
    decides = (
        _REMEDY_VERSION,
        neutraliser.mode,
        neutraliser.families,
        measured,
        table.labels.tolist(),
        table.file_stats,
    )
    return hashlib.sha256(repr(decides).encode()).hexdigest()


def _batched(items: Iterator[Item], count: int) -> Iterator[list[Item]]:
    while batch := list(islice(items, count)):
        yield batch
