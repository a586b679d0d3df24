"""Places of the pictures on drawn sheets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from PIL import Image
from unit_support.drawn import box_of, colour_of

from ganrm_core.reports.drawn_sheet import DrawnSheet
from ganrm_core.reports.numbered_sheet import Numbered, drawn_numbered_sheet
from ganrm_core.reports.ranked_sheet import Ranked, drawn_ranked_sheet

SIZES = [(64, 64), (200, 40), (30, 90), (64, 64), (64, 64), (7, 7), (400, 300)]


def numbered(pictures: Sequence[Image.Image], most: int = 64) -> DrawnSheet:
    entries = [Numbered(picture, i + 1, score=f"0.{i}") for i, picture in enumerate(pictures)]
    return drawn_numbered_sheet(entries, title="Title", hint="hint", legend="legend", most=most)


def ranked(pictures: Sequence[Image.Image], most: int = 64) -> DrawnSheet:
    """The last is the best; two groups."""
    count = len(pictures)
    entries = [Ranked(picture, i + 1, count - i, i / 10, group=i % 2) for i, picture in enumerate(pictures)]
    return drawn_ranked_sheet(entries, most=most, note="note")


every_sheet = pytest.mark.parametrize("draw", [numbered, ranked])


@every_sheet
def test_a_place_is_the_picture_and_nothing_else(draw: Callable[..., DrawnSheet]) -> None:
    drawn = draw([Image.new("RGB", size, colour_of(index)) for index, size in enumerate(SIZES)])
    assert sorted(tile.number for tile in drawn.tiles) == list(range(1, len(SIZES) + 1))
    for tile in drawn.tiles:
        left, top, width, height = tile.box
        assert box_of(drawn.image, colour_of(tile.number - 1)) == (left, top, left + width, top + height)


@every_sheet
def test_only_what_is_drawn_has_a_place(draw: Callable[..., DrawnSheet]) -> None:
    drawn = draw([Image.new("RGB", (9, 9))] * 7, most=3)
    assert len(drawn.tiles) == 3


def test_scores_are_as_drawn() -> None:
    picture = Image.new("RGB", (9, 9))
    scores = (0.123, 0.9, math.nan)
    drawn = drawn_ranked_sheet([Ranked(picture, i + 1, i + 1, score) for i, score in enumerate(scores)])
    assert [tile.score for tile in drawn.tiles] == ["0.12", "0.90", "?"]
    assert [tile.score for tile in numbered([picture] * 2).tiles] == ["0.0", "0.1"]
