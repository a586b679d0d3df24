"""First pass over both folders: decodes every file once, for the audit, near-duplicate groups and unreadable files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from .picture_table import PictureTable

_RECORD = "look 3"
"""Kind of the cached records; changed whenever the same file would no longer give the same record."""


@dataclass(frozen=True)
class DatasetScan:
    """The usable pictures, liked ones first.

    `decoded` holds those that fit into memory, for the feature pass. `names` as in `TrainingFiles`.
    """

    table: PictureTable
    decoded: ImageCache
    skipped: list[Skipped] = field(default_factory=list)
    names: Mapping[str, str] = field(default_factory=dict)

    def take(self, positions: Sequence[int], left_out: Sequence[Skipped]) -> DatasetScan:
        """The pictures at `positions`; the others (`left_out`) became unreadable. Raises DataError for too few."""
        table, skipped = self.table.take(positions), [*self.skipped, *left_out]
        check_enough(table.labels, self.names, skipped, self.table.paths)
        return replace(self, table=table, skipped=skipped)

    def audit(self, *, seed: int, progress: ProgressCallback) -> Audit:
        """Whether file statistics alone tell the folders apart."""
        # Without the paths: the audit is kept in the checkpoint, and models are shared.
        table = self.table
        return audit_files(table.file_stats, table.labels, table.groups, seed=seed, progress=progress)


ReadRecords = Callable[
    [Sequence[Path], Sequence[str], ImageCache, list[Skipped]], Iterator[tuple[int, "ScanRecord"]]
]
"""Takes files, their hashes, a cache to fill and a list of skipped files to extend; yields (index, record) in order."""


def scan_dataset(
    files: TrainingFiles, *, progress: ProgressCallback, read: ReadRecords | None = None
) -> DatasetScan:
    """Decode every file once, by `read_records` or as `read` does. Unreadable files are skipped and named.

    Raises DataError where too few are left, and where a picture is in both sets.
    """
    paths, hashes = [*files.liked, *files.ordinary], [*files.liked_hashes, *files.ordinary_hashes]
    skipped: list[Skipped] = []
    readable: list[int] = []
    records: list[ScanRecord] = []
    decoded = ImageCache()
    progress(Progress("looking at the pictures", 0, len(paths)))
    for index, record in (read or read_records)(paths, hashes, decoded, skipped):
        records.append(record)
        readable.append(index)
        progress(Progress("looking at the pictures", index + 1, len(paths)))
    labels = np.array([1 if index < len(files.liked) else 0 for index in readable], dtype=np.int64)
    check_enough(labels, files.names, skipped, paths)
    readable_paths = [paths[index] for index in readable]
    _refuse_same_pixels([record.pixels for record in records], labels, readable_paths)
    signatures = np.stack([record.signature for record in records])
    table = PictureTable(
        paths=readable_paths,
        hashes=[hashes[index] for index in readable],
        labels=labels,
        file_stats=[record.stats for record in records],
        signatures=signatures,
        groups=group_near_duplicates(signatures, progress=progress),
    )
    return DatasetScan(table, decoded, skipped, files.names)


def read_records(
    paths: Sequence[Path], hashes: Sequence[str], decoded: ImageCache, skipped: list[Skipped]
) -> Iterator[tuple[int, ScanRecord]]:
    """Records of files in order, read in threads; pictures go to `decoded`, unreadable files to `skipped`."""
    return stream_files(
        paths,
        lambda index, path: ScanRecord.of(path, hashes[index], decoded),
        workers=threads_to_share() or decoders_beside("cpu"),
        share=True,
        skipped=skipped,
    )


@dataclass(frozen=True)
class ScanRecord:
    """Result for one file; `pixels` is the sha256 of its decoded pixels."""

    stats: FileStats
    signature: NDArray[np.float32]
    pixels: str

    @classmethod
    def of(cls, path: Path, content: str, decoded: ImageCache) -> ScanRecord:
        """From the cache on disk, or by decoding the file, which then goes to `decoded` by its hash.

        `content` is its hash where it is not hashed anew. Raises ImageError for a file that cannot be read.
        """
        seen = load_unless_cached(path, cls._cached)
        if seen.image is None:
            assert seen.kept is not None
            return seen.kept
        decoded.keep(seen.content or content, seen.image)
        record = cls(file_stats(path, seen.image), signature(seen.image), _pixel_hash(seen.image))
        put_record(_RECORD, seen.content, record._to_json)
        return record

    def _to_json(self) -> list[Any]:
        return [asdict(self.stats), self.signature.tolist(), self.pixels]

    @classmethod
    def _cached(cls, content: str) -> ScanRecord | None:
        record = get_record(_RECORD, content)
        if record is None:
            return None
        stats, values, pixels = record
        return cls(FileStats.from_json(stats), np.array(values, dtype=np.float32), pixels)


def _pixel_hash(image: Tensor) -> str:
    shape = repr(tuple(image.shape)).encode()
    return hashlib.sha256(shape + image.contiguous().numpy().tobytes()).hexdigest()


def _refuse_same_pixels(pixels: list[str], labels: NDArray[np.int64], paths: list[Path]) -> None:
    """The same picture in another container has other bytes, so it passes the check of file hashes."""
    rows = list(zip(pixels, labels, paths, strict=True))
    liked = {content: path for content, label, path in rows if label == 1}
    shared = [(liked[content], path) for content, label, path in rows if label == 0 and content in liked]
    if shared:
        refuse_shared(shared, paths)
