from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ganrm_core.reports.contact_sheet import Tile, contact_sheet, grid
from ganrm_core.reports.fonts import fitting_text
from ganrm_core.utils.errors import ImageError

MAGENTA = (255, 0, 255)


def plain(width: int, height: int) -> torch.Tensor:
    return torch.tensor(MAGENTA, dtype=torch.uint8).reshape(3, 1, 1).repeat(1, height, width)


def box_of(sheet: Image.Image, colour: tuple[int, int, int] = MAGENTA) -> tuple[int, int, int, int]:
    """left, top, right, bottom of the pixels of exactly this colour, which must fill the box."""
    found = (np.asarray(sheet) == colour).all(axis=-1)
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    box = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    assert found[box[1] : box[3], box[0] : box[2]].all()
    return tuple(int(value) for value in box)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        ((400, 400), (200, 200)),
        ((400, 100), (200, 50)),
        ((100, 400), (50, 200)),
        ((3000, 1), (200, 1)),
        ((1, 3000), (1, 200)),
        ((20, 10), (40, 20)),
        ((200, 200), (200, 200)),
    ],
)
@pytest.mark.parametrize("pil", [False, True])
def test_pictures_fit_uncropped_uncovered_and_centred(
    size: tuple[int, int], drawn: tuple[int, int], pil: bool
) -> None:
    image = Image.new("RGB", size, MAGENTA) if pil else plain(*size)
    tile = Tile(image, ("93% liked", "seed 7", "third"), highlight=True, badge="#1")
    sheet = contact_sheet([[tile]], tile=200, title="Title", row_labels=["Row"])
    left, top, right, bottom = box_of(sheet)
    assert (right - left, bottom - top) == drawn
    assert abs((left + right) - sheet.width) <= 1


def test_sheet_sizes_add_up() -> None:
    def size(rows: int, columns: int) -> tuple[int, int]:
        tile = Tile(plain(9, 9), ("x",))
        return contact_sheet([[tile] * columns] * rows, tile=100).size

    one, two, three = size(1, 1), size(2, 2), size(3, 3)
    assert two[0] - one[0] == three[0] - two[0] > 100
    assert two[1] - one[1] == three[1] - two[1] > 100


def test_uneven_rows_and_empty_rows() -> None:
    tile = Tile(plain(9, 9))
    sheet = contact_sheet([[tile] * 3, [tile], []], tile=60, row_labels=["a", "b", "c"])
    assert sheet.width == contact_sheet([[tile] * 3], tile=60).width
    assert sheet.mode == "RGB"


def test_a_row_is_as_tall_as_its_longest_caption() -> None:
    short, long = Tile(plain(9, 9), ("a",)), Tile(plain(9, 9), ("a", "b", "c"))
    assert contact_sheet([[short, long]]).height == contact_sheet([[long]]).height
    assert contact_sheet([[short]]).height < contact_sheet([[long]]).height


@pytest.mark.parametrize(
    ("highlight", "colour"), [(True, (255, 196, 61)), ("#4caf50", (76, 175, 80)), ("red", (255, 0, 0))]
)
def test_the_winner_has_a_border(highlight: bool | str, colour: tuple[int, int, int]) -> None:
    def marked(tile: Tile) -> np.ndarray:
        return (np.asarray(contact_sheet([[tile]])) == colour).all(axis=-1)

    border = marked(Tile(plain(9, 9), ("a",), highlight=highlight))
    rows, columns = np.flatnonzero(border.any(axis=1)), np.flatnonzero(border.any(axis=0))
    assert border[rows[0], border.shape[1] // 2]
    assert border[rows[-1], border.shape[1] // 2]
    assert border[border.shape[0] // 2, columns[0]]
    assert border[border.shape[0] // 2, columns[-1]]
    assert not border[border.shape[0] // 2, border.shape[1] // 2]
    assert not marked(Tile(plain(9, 9), ("a",))).any()


@pytest.mark.parametrize("tile", [48, 128, 300])
def test_long_text_never_leaves_its_card(tile: int) -> None:
    long = "W" * 300
    entries = [Tile(plain(9, 9), (long, long, long), badge=long), Tile(plain(9, 9))]
    drawn = np.asarray(contact_sheet([entries], tile=tile, title=long, row_labels=[long]))
    blank = np.asarray(
        contact_sheet(
            [[Tile(plain(9, 9), ("", *[""] * 6), badge=" "), Tile(plain(9, 9))]],
            tile=tile,
            title=" ",
            row_labels=[""],
        )
    )
    changed = (drawn != blank).any(axis=-1)
    height = blank.shape[0]
    second_card = blank.shape[1] // 2
    # the title and the label may run on over both cards, but not to the sheet's edge
    assert not changed[:, -max(10, tile // 10) :].any()
    assert not changed[height - tile :, second_card:].any()
    assert changed[height - tile :, :second_card].any()


def test_text_is_cut_to_its_room() -> None:
    for size in (9, 14, 40):
        for room in (0, 5, 30, 100, 1000):
            text, font = fitting_text("a name that may be too long é.png", size, room)
            assert font.getlength(text) <= room
    text, _ = fitting_text("abcdefghijklmnopqrstuvwxyz", 14, 80)
    assert text.startswith("abc")
    assert text.rstrip(".…") != text
    assert fitting_text("short", 14, 500)[0] == "short"
    assert fitting_text("two\nlines\tof  text", 14, 500)[0] == "two lines of text"


def test_no_empty_boxes_for_missing_letters() -> None:
    missing = chr(0xE123)  # private use: no font has it
    assert fitting_text(f"a{missing}b", 14, 500)[0] == "a?b"
    assert fitting_text("a — b", 14, 500)[0] in ("a — b", "a - b")
    assert fitting_text("ünïcode", 14, 500)[0] in ("ünïcode", "unicode")
    contact_sheet([[Tile(plain(9, 9), ("名前 🎨\udcff\n\0",), badge="★")]], title="日本")


def test_grid_breaks_into_rows() -> None:
    tiles = [Tile(plain(9, 9), (str(n),)) for n in range(7)]
    assert grid(tiles, 3, tile=60).size == contact_sheet([tiles[:3], tiles[3:6], tiles[6:]], tile=60).size
    assert grid(tiles, 7, tile=60).size == contact_sheet([tiles], tile=60).size


def test_the_same_every_time() -> None:
    tiles = [Tile(plain(30, 20), ("a", "b"), True, "#1")]
    assert np.array_equal(np.asarray(grid(tiles, 1)), np.asarray(grid(tiles, 1)))


def test_wrong_arguments() -> None:
    tile = Tile(plain(9, 9))
    for empty in ([], [[]]):
        with pytest.raises(ImageError, match="no images"):
            contact_sheet(empty)
    with pytest.raises(ImageError, match=r"\[3, H, W\]"):
        contact_sheet([[Tile(torch.zeros(4, 4, 3, dtype=torch.uint8))]])
    with pytest.raises(ImageError, match=r"uint8.*float32"):
        contact_sheet([[Tile(torch.zeros(3, 4, 4))]])
    with pytest.raises(ValueError, match="row labels"):
        contact_sheet([[tile]], row_labels=["a", "b"])
    with pytest.raises(ValueError, match="columns"):
        grid([tile], 0)
