"""The one pass of the backbone over the pictures: evened out, viewed, and turned into features."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.augmentation import views as make_views
from ..data.image_io import to_float
from ..data.skipped_files import Skipped
from ..data.streaming import decoders_beside, stream_files
from ..leakage.forensics.file_stats import FileStats
from ..leakage.neutralisation import Neutraliser
from ..rewards.discriminator.feature_cache import FeatureCache
from ..rewards.discriminator.feature_extractor import FeatureExtractor
from ..rewards.discriminator.file_features import LoadedFile, load_unless_cached
from ..utils.progress import Progress, ProgressCallback
from .dataset_scan import DatasetScan
from .trunk_states import TrunkStates

_VIEWS = "views"

Item = TypeVar("Item")


@dataclass
class CachedPictures:
    """What is kept of every usable picture, liked ones first.

    `features` [N, V, D] float32; `labels` [N]; `signatures` [N, K] for finding near-duplicates,
    `groups` [N]: equal for those found; `nuisances`: for each thing evened out, how features move
    under it, [M, D]; `states`: what is needed to go on from below the blocks that are adapted, else None.
    """

    paths: list[Path]
    hashes: list[str]
    labels: NDArray[np.int64]
    facts: list[FileStats]
    signatures: NDArray[np.float32]
    groups: NDArray[np.int64]
    features: Tensor
    nuisances: list[Tensor]
    states: TrunkStates | None = None
    skipped: list[Skipped] = field(default_factory=list)


def read_pictures(
    scan: DatasetScan,
    reader: FeatureExtractor,
    neutraliser: Neutraliser,
    *,
    views: int,
    seed: int,
    progress: ProgressCallback,
    states: TrunkStates | None = None,
) -> CachedPictures:
    """Run the backbone over the scan files, or take what is kept of them (see `disk_cache.keep_in`).

    The survey's decoded pictures are used up. With `states` these are filled, and how features move under what is
    evened out is not looked at. Files that have become unreadable since are skipped, too. Raises DataError where too
    few are left.
    """
    size = reader.backbone.spec.input_size
    skipped: list[Skipped] = []
    read_at: list[int] = []
    features = []
    moved: dict[str, list[Tensor]] = {}
    paired = neutraliser.perturbation_sample(scan.labels, seed)
    store = FeatureCache(reader, neutraliser.border_trim)
    evening = _evening(neutraliser, scan)
    # Seeded by content, so that adding a picture changes no other picture's views.
    seeds = [seed ^ int(content[:12], 16) for content in scan.hashes]

    def about(index: int) -> str:
        evened = f"{evening} {int(scan.labels[index])} {bool(paired[index])}" if evening else ""
        return f"{views} views, {seeds[index]}, {evened}"

    def taken(index: int, path: Path) -> LoadedFile[dict[str, Tensor]]:
        # Where the states are wanted, there is no way round the backbone.
        return load_unless_cached(
            path,
            lambda content: None if states else store.get(content, about(index)),
            lambda content: scan.pictures.take(content or scan.hashes[index]),
        )

    def views_of(index: int, image: Tensor) -> Tensor:
        evened = neutraliser.neutralise(image, int(scan.labels[index]), seeds[index])
        return make_views(neutraliser.border_trim(to_float(evened)), views, size, seed=seeds[index])

    def read(group: Sequence[tuple[int, LoadedFile[dict[str, Tensor]]]]) -> list[dict[str, Tensor]]:
        """What is kept of each picture, or now found: its views' features, and how they move."""
        new = [views_of(index, seen.image) for index, seen in group if seen.image is not None]
        features = iter(_read(new, states.read if states else reader))
        found: list[dict[str, Tensor]] = []
        for index, seen in group:
            if seen.kept is not None:
                found.append(seen.kept)
                continue
            found.append({_VIEWS: next(features)})
            if paired[index] and not states:
                assert seen.image is not None
                twins = neutraliser.perturbed(seen.image, int(scan.labels[index]), seeds[index])
                found[-1] |= _differences(seen.image, twins, reader, neutraliser, seeds[index])
            if not states:
                store.put(seen.content, found[-1], about(index))
        return found

    def each_read() -> Iterator[tuple[int, dict[str, Tensor]]]:
        if reader.threads and not states:
            for index, (found,) in stream_files(
                scan.paths,
                lambda index, path: read([(index, taken(index, path))]),
                workers=reader.threads,
                share=True,
                skipped=skipped,
            ):
                yield index, found
            return
        device = reader.device.type
        seen = stream_files(scan.paths, taken, workers=decoders_beside(device), skipped=skipped)
        for group in _batched(seen, 1 if states else max(1, reader.group_size // views)):
            yield from zip([index for index, _ in group], read(group), strict=True)

    progress(Progress("reading pictures", 0, len(scan.paths)))
    # No name is given to the stream: it must end, and its threads with it, where the loop is left.
    for index, found in each_read():
        read_at.append(index)
        features.append(found.pop(_VIEWS))
        for name, difference in found.items():
            moved.setdefault(name, []).append(difference)
        progress(Progress("reading pictures", index + 1, len(scan.paths)))
    scan.pictures.clear()
    if skipped:
        scan = scan.only(read_at, skipped)
    return CachedPictures(
        paths=scan.paths,
        hashes=scan.hashes,
        labels=scan.labels,
        facts=scan.facts,
        signatures=scan.signatures,
        groups=scan.groups,
        features=torch.stack(features),
        nuisances=[torch.stack(moved[name]) for name in sorted(moved)],
        skipped=scan.skipped,
        states=states,
    )


def _evening(neutraliser: Neutraliser, scan: DatasetScan) -> str:
    """What decides how pictures are evened out: the files of both folders. "" where nothing is."""
    if not neutraliser.nuisances:
        return ""
    decides = (neutraliser.mode, neutraliser.families, scan.labels.tolist(), scan.facts)
    return hashlib.sha256(repr(decides).encode()).hexdigest()


def _batched(items: Iterator[Item], count: int) -> Iterator[list[Item]]:
    while batch := list(islice(items, count)):
        yield batch


def _read(views: Sequence[Tensor], reader: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """The features [V, D] of the views [V, 3, S, S] of each picture, from one call of the reader."""
    if not views:
        return []
    # Out of inference mode's reach: training differentiates through heads fed with these.
    features = reader(torch.cat(list(views))).cpu().clone()
    return list(features.split([len(each) for each in views]))


def _differences(
    image: Tensor, twins: dict[str, Tensor], reader: FeatureExtractor, neutraliser: Neutraliser, seed: int
) -> dict[str, Tensor]:
    """How the picture's features [D] move from itself to each twin.

    As scoring sees both, and in a random view, the same for both: a cropped picture is another size.
    """
    if not twins:
        return {}
    size = reader.backbone.spec.input_size
    pairs = [
        make_views(neutraliser.border_trim(to_float(each)), 2, size, seed)
        for each in (image, *twins.values())
    ]
    features = reader(torch.cat(pairs)).cpu().clone().unflatten(0, (len(pairs), 2))
    moved = features[1:] - features[0]
    return {
        f"{name}, {view}": moved[place, number]
        for place, name in enumerate(twins)
        for number, view in enumerate(("plain", "random view"))
    }
