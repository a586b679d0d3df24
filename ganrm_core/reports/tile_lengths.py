"""Tile grid geometry: columns and pixel sizes of sheets that a node shows 420 pixels wide."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

SHOWN_WIDTH = 420
"""Pixels: the width a node shows a sheet at. The lengths below are pixels at this width."""

MARGIN, GAP, BLOCK_GAP, BORDER, RADIUS = 10, 5, 10, 2, 5
MOST_COLUMNS = 8


def grid_columns(sizes: Sequence[tuple[int, int]]) -> int:
    """Columns of a sheet that is about square, one more where that fills its last row.

    `sizes` are width and height of each picture in any unit.
    """
    aspect = statistics.median(width / height for width, height in sizes)
    # Wide pictures need fewer columns; up to 16:9 the rule for squares serves.
    columns = min(MOST_COLUMNS, math.ceil(math.sqrt(len(sizes) / max(1.0, aspect / 1.8))))
    fuller = columns + 1
    return fuller if len(sizes) % columns and fuller <= MOST_COLUMNS and not len(sizes) % fuller else columns


class TileLengths:
    """Lengths in pixels of the sheet itself, three to four times as large as it is shown.

    Every `block` columns have a wider gap after them. `pad` is the space around the picture in its tile.
    """

    def __init__(self, columns: int, block: int | None = None, pad: int = 4) -> None:
        self.scale = 3 if columns <= 4 else 4
        self.block = block or columns
        gaps = self.px((columns - 1) * GAP + (columns // self.block - 1) * BLOCK_GAP)
        self.margin = self.px(MARGIN)
        self.tile = (self.px(SHOWN_WIDTH) - 2 * self.margin - gaps) // columns
        self.width = 2 * self.margin + columns * self.tile + gaps
        self.room = self.width - 2 * self.margin
        self.pad = self.px(pad)
        self.picture = self.tile - 2 * self.pad
        # A single picture as tall as it likes would push the text out of the node.
        self.tallest = round(self.picture * {1: 1.0, 2: 1.3}.get(columns, 1.6))

    def px(self, length: float) -> int:
        """Pixels of the sheet for `length` pixels as shown."""
        return round(length * self.scale)

    def left(self, column: int) -> int:
        return self.margin + column * (self.tile + self.px(GAP)) + column // self.block * self.px(BLOCK_GAP)

    def drawn_height(self, size: tuple[int, int]) -> int:
        """Height of a picture of this width and height in its tile."""
        width, height = size
        return max(1, round(height * min(self.picture / width, self.tallest / height, 2.0)))
