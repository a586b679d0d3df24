"""Which candidate stands where on a ranked sheet."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

MOST_COLUMNS = 8


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
    """One line of tiles: what stands in which column. Labels stand above the first column of a group."""

    labels: list[tuple[int, str]]
    tiles: list[tuple[int, Ranked]]


def best(candidates: Sequence[Ranked], most: int) -> list[list[Ranked]]:
    """At most so many candidates, by group, best first."""
    chosen = sorted(candidates, key=lambda entry: (not entry.kept, entry.rank, entry.group))[:most]
    groups: dict[int, list[Ranked]] = {}
    for entry in sorted(chosen, key=lambda entry: (entry.group, entry.rank, entry.number)):
        groups.setdefault(entry.group, []).append(entry)
    return list(groups.values())


def arranged(groups: list[list[Ranked]]) -> tuple[list[Row], int, int]:
    """Rows of tiles, how many columns they have, and how many of these one group takes."""
    total, largest = sum(map(len, groups)), max(map(len, groups))
    columns = _columns(total, [entry for group in groups for entry in group])
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
    return rows, block * abreast, block


def _columns(count: int, entries: Sequence[Ranked]) -> int:
    """So many that the sheet is about square, without gaps at its end where one more column avoids them."""
    shape = statistics.median(width / height for width, height in map(picture_size, entries))
    # Wide pictures need fewer columns; up to 16:9 the rule for squares serves.
    columns = min(MOST_COLUMNS, math.ceil(math.sqrt(count / max(1.0, shape / 1.8))))
    return (
        columns + 1 if count % columns and columns < MOST_COLUMNS and not count % (columns + 1) else columns
    )


def picture_size(entry: Ranked) -> tuple[int, int]:
    if isinstance(entry.image, Tensor):
        height, width = entry.image.shape[-2:]
        return max(1, width), max(1, height)
    return entry.image.size
