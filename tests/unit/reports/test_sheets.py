"""What contact, ranked and numbered sheets have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import pytest
from PIL import Image
from unit_support.drawn import box_of, colour_of, where

from ganrm_core.reports.canvas import ACCENT, PAGE
from ganrm_core.reports.contact_sheet import Tile, contact_sheet
from ganrm_core.reports.numbered_sheet import Numbered, numbered_sheet
from ganrm_core.reports.ranked_sheet import Ranked, ranked_sheet
from ganrm_core.utils.errors import ImageError

Draw = Callable[..., Image.Image]


def contact(pictures: Sequence[Image.Image], text: str = "", marked: Collection[int] = ()) -> Image.Image:
    tiles = [Tile(p, ("0.5", text), i in marked, badge=f"#{i}{text}") for i, p in enumerate(pictures)]
    return contact_sheet([tiles], title=text, row_labels=[text])


def ranked(pictures: Sequence[Image.Image], text: str = "", marked: Collection[int] = ()) -> Image.Image:
    entries = [
        Ranked(p, i + 1, i + 1, -98765.4 if text else 0.5, 0, i in marked) for i, p in enumerate(pictures)
    ]
    return ranked_sheet(entries, model=text, note=text, warning=text)


def numbered(pictures: Sequence[Image.Image], text: str = "", marked: Collection[int] = ()) -> Image.Image:
    entries = [Numbered(p, i + 1, text, i in marked, score="0.5") for i, p in enumerate(pictures)]
    return numbered_sheet(entries, title="Title", hint=text, legend=text)


every_sheet = pytest.mark.parametrize("draw", [contact, ranked, numbered])


def plain(count: int, size: tuple[int, int] = (64, 64)) -> list[Image.Image]:
    return [Image.new("RGB", size, colour_of(index)) for index in range(count)]


@every_sheet
@pytest.mark.parametrize("size", [(320, 320), (128, 512), (512, 128), (3000, 1)])
def test_pictures_are_whole_uncovered_and_in_order(draw: Draw, size: tuple[int, int]) -> None:
    sheet = draw(plain(4, size), "m" * 90)
    places = []
    for index in range(4):
        left, top, right, bottom = box_of(sheet, colour_of(index))
        assert bottom - top == 1 or (right - left) / (bottom - top) == pytest.approx(
            size[0] / size[1], rel=0.02
        )
        places.append((top, left))
    assert places == sorted(places)
    assert sheet.mode == "RGB"


@every_sheet
def test_marked_pictures_have_a_gold_frame(draw: Draw) -> None:
    sheet = draw(plain(4), marked=(0, 2))
    gold = where(sheet, ACCENT)
    framed = []
    for index in range(4):
        left, top, right, _ = box_of(sheet, colour_of(index))
        framed.append(bool(gold[max(0, top - 100) : top, (left + right) // 2].any()))
    assert framed == [True, False, True, False]
    assert not where(draw(plain(4)), ACCENT).any()


@every_sheet
@pytest.mark.parametrize("count", [1, 3, 16])
def test_nothing_runs_off_the_sheet(draw: Draw, count: int) -> None:
    pixels = np.asarray(draw(plain(count), "W" * 150, marked=range(count)))
    for edge in (pixels[:, :8], pixels[:, -8:], pixels[:8], pixels[-8:]):
        assert (edge == PAGE).all()


@every_sheet
def test_nothing_to_draw(draw: Draw) -> None:
    with pytest.raises(ImageError, match="at least one"):
        draw([])
