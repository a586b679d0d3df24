"""Arrangement of a ranked sheet: which candidate is drawn in which row and column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from .tile_lengths import grid_columns


@dataclass(frozen=True)
class Ranked:
    """One candidate.

    `image` is uint8 [3, H, W] (0–255) or a PIL image of any mode; a thumbnail of 640 pixels is enough for
    a sheet of four. `number` is its place in the input from 1, which a person types to pick it. `rank` 1
    is the best of its `group` (from 0). `score` may have any range. `kept` is None where nothing is chosen.
    """

    image: Tensor | Image.Image
    number: int
    rank: int
    score: float
    group: int = 0
    kept: bool | None = None


@dataclass(frozen=True)
class Row:
    """One row of tiles, each with its column. `labels` name the groups that begin in a column."""

    labels: list[tuple[int, str]]
    tiles: list[tuple[int, Ranked]]


@dataclass(frozen=True)
class Arrangement:
    """`columns` in all, `block` of them for one group."""

    rows: list[Row]
    columns: int
    block: int

    @property
    def candidates(self) -> list[Ranked]:
        return [candidate for row in self.rows for _, candidate in row.tiles]


def best(candidates: Sequence[Ranked], most: int) -> list[list[Ranked]]:
    """At most `most` candidates, kept ones first, as groups with the best of each first."""
    chosen = sorted(candidates, key=lambda entry: (not entry.kept, entry.rank, entry.group))[:most]
    groups: dict[int, list[Ranked]] = {}
    for entry in sorted(chosen, key=lambda entry: (entry.group, entry.rank, entry.number)):
        groups.setdefault(entry.group, []).append(entry)
    return list(groups.values())


def arranged(groups: list[list[Ranked]]) -> Arrangement:
    """Groups in blocks of their own, side by side as far as the columns allow."""
    largest = max(map(len, groups))
    columns = grid_columns([picture_size(entry) for group in groups for entry in group])
    if len(groups) == 1:
        block, abreast = columns, 1
    elif largest <= columns:
        block, abreast = largest, columns // largest
    else:
        block, abreast = math.ceil(largest / math.ceil(largest / columns)), 1
    rows: list[Row] = []
    for start in range(0, len(groups), abreast):
        band = groups[start : start + abreast]
        for line in range(math.ceil(max(map(len, band)) / block)):
            row = Row([], [])
            for place, group in enumerate(band):
                if line == 0 and len(groups) > 1:
                    row.labels.append((place * block, f"group {group[0].group + 1}"))
                part = group[line * block : (line + 1) * block]
                row.tiles.extend((place * block + column, entry) for column, entry in enumerate(part))
            rows.append(row)
    return Arrangement(rows, block * abreast, block)


def picture_size(entry: Ranked) -> tuple[int, int]:
    """Width and height."""
    if isinstance(entry.image, Tensor):
        height, width = entry.image.shape[-2:]
        return max(1, width), max(1, height)
    return entry.image.size
