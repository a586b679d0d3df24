from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image
from unit_support.drawn import Written, where

from ganrm_core.reports.numbered_sheet import Numbered, numbered_sheet
from ganrm_core.reports.tile_lengths import SHOWN_WIDTH

BLUE = (0, 90, 200)


def tiles(count: int, size: tuple[int, int] = (64, 64), score: str = "") -> list[Numbered]:
    return [Numbered(Image.new("RGB", size, BLUE), i + 1, score=score) for i in range(count)]


@pytest.mark.parametrize(("count", "size"), [(2, (300, 1200)), (5, (600, 600)), (64, (400, 100))])
def test_pictures_take_most_of_the_width(count: int, size: tuple[int, int], written: Written) -> None:
    sheet = numbered_sheet(tiles(count, size), title="t")
    assert 1200 <= sheet.width <= 1700
    assert sheet.height < 4 * sheet.width
    assert where(sheet, BLUE).mean() > 0.05
    assert written.texts == ["t", *map(str, range(1, count + 1))]


def test_of_too_many_the_marked_ones_and_then_the_first_stay(written: Written) -> None:
    entries = tiles(20)
    entries[19] = replace(entries[19], marked=True)
    texts = written.of(numbered_sheet, entries, title="t", hint="Pick.", most=4)
    assert texts == ["t", "Pick. 4 of 20 are shown.", "1", "2", "3", "20"]


@pytest.mark.parametrize("count", [4, 16, 64])
def test_scores_and_notes_can_be_read_and_are_whole(count: int, written: Written) -> None:
    """Scores at least as large as on ranked sheets, whatever the tile's width; notes never lose a word."""
    entries = tiles(count // 2, score="0.83")
    entries += [Numbered(e.image, e.number + count // 2, "given up\nafter step 6") for e in entries]
    sheet = numbered_sheet(entries, title="t", legend="Gold: kept.")
    scores = [size for text, size in written.lines if text == "0.83"]
    assert len(scores) == count // 2
    assert min(scores) * SHOWN_WIDTH / sheet.width >= 9.9
    assert " ".join(written.texts).count("given up after step 6") == count // 2
    assert written.texts[-1] == "Gold: kept."
