"""Large maps processed in bands of rows, for little working memory and a quick Cancel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .progress import Progress, ProgressCallback

_PIXELS_AT_ONCE = 2**20


def row_bands(shape: Sequence[int], progress: ProgressCallback) -> Iterator[slice]:
    """Slices of rows that together cover a map of `shape` (H, W), with progress after each."""
    height, width = shape
    rows = max(1, _PIXELS_AT_ONCE // width)
    for top in range(0, height, rows):
        yield slice(top, top + rows)
        progress(Progress("mapping", min(top + rows, height), height))
