from __future__ import annotations

import pytest
from PIL import Image, ImageChops

from ganrm_core.reports import numbered_sheet as module
from ganrm_core.reports.canvas import text_width
from ganrm_core.reports.numbered_sheet import Numbered, numbered_sheet
from ganrm_core.utils.errors import ImageError

GOLD = (255, 196, 61)


def tiles(count: int, size: tuple[int, int] = (64, 64), **values: object) -> list[Numbered]:
    return [Numbered(Image.new("RGB", size, (0, 90, 200)), i + 1, **values) for i in range(count)]  # type: ignore[arg-type]


def share(sheet: Image.Image, colour: tuple[int, int, int]) -> float:
    difference = ImageChops.difference(sheet, Image.new("RGB", sheet.size, colour)).convert("L")
    return difference.histogram()[0] / (sheet.width * sheet.height)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 16, 64])
@pytest.mark.parametrize("size", [(600, 600), (300, 1200), (1600, 400)])
def test_pictures_take_most_of_the_width(count: int, size: tuple[int, int]) -> None:
    sheet = numbered_sheet(tiles(count, size), title="t")
    assert sheet.mode == "RGB"
    assert 1200 <= sheet.width <= 1700
    assert sheet.height < 4 * sheet.width
    assert share(sheet, (0, 90, 200)) > 0.05


def test_only_marked_pictures_have_gold() -> None:
    plain, marked = numbered_sheet(tiles(4), title="t"), numbered_sheet(tiles(4, marked=True), title="t")
    assert share(plain, GOLD) == 0
    assert share(marked, GOLD) > 0.01


def test_numbers_and_notes_are_drawn() -> None:
    one, other = tiles(4), tiles(4)
    other[2] = Numbered(other[2].image, 33)
    noted = [*one[:3], Numbered(one[3].image, 4, "added")]
    sheets = [numbered_sheet(entries, title="t").tobytes() for entries in (one, other, noted)]
    assert len(set(sheets)) == 3


def test_of_too_many_the_marked_ones_stay() -> None:
    entries = tiles(80)
    entries[79] = Numbered(entries[79].image, 80, marked=True)
    assert share(numbered_sheet(entries, title="t", most=16), GOLD) > 0
    assert (
        numbered_sheet(entries, title="t", most=16).height < numbered_sheet(entries, title="t").height * 1.2
    )


def test_nothing_to_draw() -> None:
    with pytest.raises(ImageError, match="at least one"):
        numbered_sheet([], title="t")


@pytest.mark.parametrize("count", [4, 16, 20, 64])
def test_scores_and_notes_can_be_read_and_are_whole(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores at least as large as ranked sheets have them, whatever the tile's width; notes never lose a word."""
    seen: list[tuple[str, int, float]] = []
    for name in ("write", "write_paragraph"):
        original = getattr(module, name)

        def recording(draw, place, text, size, colour, room, original=original, **options):  # type: ignore[no-untyped-def]
            seen.append((text, size, room))
            return original(draw, place, text, size, colour, room, **options)

        monkeypatch.setattr(module, name, recording)
    entries = [Numbered(Image.new("RGB", (64, 64)), n + 1, score="0.83") for n in range(count // 2)]
    entries += [Numbered(e.image, e.number + count // 2, "given up\nafter step 6") for e in entries]
    sheet = numbered_sheet(entries, title="t", legend="Gold: kept.")
    shown = 420 / sheet.width
    scores = [(size, room) for text, size, room in seen if text == "0.83"]
    assert len(scores) == count // 2
    assert all(size * shown >= 9.9 and text_width("0.83", size, bold=True) <= room for size, room in scores)
    assert sum(text == "given up\nafter step 6" for text, _, _ in seen) == count // 2
    assert seen[-1][0] == "Gold: kept."
