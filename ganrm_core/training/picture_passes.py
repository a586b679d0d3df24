"""Protocol for training whose pictures are decoded and run through the backbone elsewhere, such as on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ..data.image_cache import ImageCache
from ..data.skipped_files import Skipped
from .dataset_scan import ScanRecord
from .feature_extraction import Extraction, Features


class PicturePasses(Protocol):
    """The two passes over the files of a training. Both yield in order, and add unreadable files to `skipped`."""

    def records(
        self, paths: Sequence[Path], hashes: Sequence[str], decoded: ImageCache, skipped: list[Skipped]
    ) -> Iterator[tuple[int, ScanRecord]]:
        """As `dataset_scan.read_records`; `decoded` may stay empty."""

    def features(
        self, work: Extraction, positions: Sequence[int], skipped: list[Skipped]
    ) -> Iterator[tuple[int, Features]]:
        """As `Extraction.stream`."""
