"""A first look at both folders: what can be read, what is whose copy, and what their files give away."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data.image_cache import ImageCache
from ..data.labelled_files import TrainingFiles, check_enough, refuse_shared
from ..data.near_duplicates import group_near_duplicates, signature
from ..data.skipped_files import Skipped
from ..data.streaming import decoders_beside, stream_files
from ..leakage.audit.audit import Audit, audit_files
from ..leakage.forensics.file_stats import FileStats, file_stats
from ..rewards.discriminator.feature_cache import get_record, put_record
from ..rewards.discriminator.file_features import load_unless_cached
from ..utils.parallel import threads_to_share
from ..utils.progress import Progress, ProgressCallback

_KIND = "look 3"
"""Under which name looks are kept; another whenever the same file would no longer look the same."""


@dataclass(frozen=True)
class DatasetScan:
    """The usable pictures, liked ones first; all lists and arrays run parallel.

    `labels` [N]; `signatures` [N, K] for finding near-duplicates, `groups` [N] what they found; `pictures`: some of
    those decoded.
    """

    paths: list[Path]
    hashes: list[str]
    labels: NDArray[np.int64]
    facts: list[FileStats]
    signatures: NDArray[np.float32]
    groups: NDArray[np.int64]
    pictures: ImageCache
    skipped: list[Skipped] = field(default_factory=list)
    names: Mapping[str, str] = field(default_factory=dict)
    """As in `TrainingFiles`."""

    def only(self, places: Sequence[int], left_out: Sequence[Skipped]) -> DatasetScan:
        """The pictures at `places`; the others have become unreadable. Raises DataError for too few."""
        labels = self.labels[list(places)]
        skipped = [*self.skipped, *left_out]
        check_enough(labels, self.names, skipped, self.paths)
        return replace(
            self,
            paths=[self.paths[place] for place in places],
            hashes=[self.hashes[place] for place in places],
            labels=labels,
            facts=[self.facts[place] for place in places],
            signatures=self.signatures[list(places)],
            groups=np.unique(self.groups[list(places)], return_inverse=True)[1],
            skipped=skipped,
        )

    def audit(self, *, seed: int, progress: ProgressCallback) -> Audit:
        """Whether the files alone tell the folders apart."""
        # Without the paths: what it says is kept in the checkpoint, and models are shared.
        return audit_files(self.facts, self.labels, self.groups, seed=seed, progress=progress)


def scan_dataset(files: TrainingFiles, *, progress: ProgressCallback) -> DatasetScan:
    """Look at every file once. Unreadable ones are skipped and named.

    Raises DataError for too few that are left, and for the same picture in both sets.
    """
    paths, hashes = [*files.liked, *files.ordinary], [*files.liked_hashes, *files.ordinary_hashes]
    skipped: list[Skipped] = []
    kept: list[int] = []
    looks: list[_FirstLook] = []
    pictures = ImageCache()
    progress(Progress("looking at the pictures", 0, len(paths)))
    workers = threads_to_share() or decoders_beside("cpu")
    for index, found in stream_files(
        paths,
        lambda index, path: _FirstLook.of(path, hashes[index], pictures),
        workers=workers,
        share=True,
        skipped=skipped,
    ):
        looks.append(found)
        kept.append(index)
        progress(Progress("looking at the pictures", index + 1, len(paths)))
    labels = np.array([1 if index < len(files.liked) else 0 for index in kept], dtype=np.int64)
    check_enough(labels, files.names, skipped, paths)
    kept_paths = [paths[index] for index in kept]
    _refuse_same_pixels([each.pixels for each in looks], labels, kept_paths)
    stacked = np.stack([each.signature for each in looks])
    return DatasetScan(
        paths=kept_paths,
        hashes=[hashes[index] for index in kept],
        labels=labels,
        facts=[each.facts for each in looks],
        signatures=stacked,
        groups=group_near_duplicates(stacked, progress=progress),
        pictures=pictures,
        skipped=skipped,
        names=files.names,
    )


@dataclass(frozen=True)
class _FirstLook:
    """What is found out about one file; `pixels` is a digest of what it shows."""

    facts: FileStats
    signature: NDArray[np.float32]
    pixels: str

    @classmethod
    def of(cls, path: Path, content: str, pictures: ImageCache) -> _FirstLook:
        """A picture that is decoded goes to `pictures`, by the file's hash: `content` where it is not hashed anew.

        Raises ImageError for a file that cannot be read.
        """
        seen = load_unless_cached(path, cls.kept)
        if seen.image is None:
            assert seen.kept is not None
            return seen.kept
        pictures.keep(seen.content or content, seen.image)
        found = cls(file_stats(path, seen.image), signature(seen.image), _digest(seen.image))
        put_record(_KIND, seen.content, found._record)
        return found

    def _record(self) -> list[Any]:
        return [asdict(self.facts), self.signature.tolist(), self.pixels]

    @classmethod
    def kept(cls, content: str) -> _FirstLook | None:
        record = get_record(_KIND, content)
        if record is None:
            return None
        facts, values, pixels = record
        return cls(FileStats.from_json(facts), np.array(values, dtype=np.float32), pixels)


def _digest(image: Tensor) -> str:
    shape = repr(tuple(image.shape)).encode()
    return hashlib.sha256(shape + image.contiguous().numpy().tobytes()).hexdigest()


def _refuse_same_pixels(contents: list[str], labels: NDArray[np.int64], paths: list[Path]) -> None:
    """The same picture in another container has other bytes, so it passes the check of the files."""
    liked = {
        content: path for content, label, path in zip(contents, labels, paths, strict=True) if label == 1
    }
    shared = [
        (liked[content], path)
        for content, label, path in zip(contents, labels, paths, strict=True)
        if label == 0 and content in liked
    ]
    if shared:
        refuse_shared(shared, paths)
