from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from unit_support.drawn import Written, where

from ganrm_core.reports.contact_sheet import Tile, contact_sheet, grid
from ganrm_core.utils.errors import ImageError

PICTURE = Image.new("RGB", (9, 9))
TILE = Tile(PICTURE, ("a",))


def test_sheet_sizes_add_up() -> None:
    one, two, three = (np.array(contact_sheet([[TILE] * n] * n, tile=100).size) for n in (1, 2, 3))
    assert (two - one == three - two).all()
    assert (two - one > 100).all()
    assert contact_sheet([[TILE] * 3, [TILE], []], tile=100).width == three[0]


def test_a_row_is_as_tall_as_its_longest_caption() -> None:
    long = Tile(PICTURE, ("a", "b", "c"))
    assert contact_sheet([[TILE, long]]).height == contact_sheet([[long]]).height
    assert contact_sheet([[TILE]]).height < contact_sheet([[long]]).height


@pytest.mark.parametrize(("highlight", "colour"), [("#4caf50", (76, 175, 80)), ("red", (255, 0, 0))])
def test_a_frame_may_have_any_colour(highlight: str, colour: tuple[int, int, int]) -> None:
    assert where(contact_sheet([[Tile(PICTURE, ("a",), highlight, "#1")]]), colour).any()
    assert not where(contact_sheet([[TILE]]), colour).any()


@pytest.mark.parametrize("tile", [48, 300])
def test_long_text_never_leaves_its_card(tile: int) -> None:
    def sheet(text: str, caption: tuple[str, ...]) -> np.ndarray:
        tiles = [Tile(PICTURE, caption, badge=text), Tile(PICTURE)]
        return np.asarray(contact_sheet([tiles], tile=tile, title=text, row_labels=[text]))

    changed = (sheet("W" * 300, ("W" * 300,) * 3) != sheet(" ", ("",) * 7)).any(axis=-1)
    second_card, captions = changed.shape[1] // 2, changed.shape[0] - tile
    assert not changed[captions:, second_card:].any()
    assert changed[captions:, :second_card].any()


def test_grid_breaks_into_rows(written: Written) -> None:
    tiles = [Tile(PICTURE, (str(n),), badge="★") for n in range(7)]
    sheet = grid(tiles, 3, tile=60, title="日本")
    assert [text for text in written.texts if text.isdecimal()] == list("0123456")
    assert np.array_equal(sheet, contact_sheet([tiles[:3], tiles[3:6], tiles[6:]], tile=60, title="日本"))


def test_wrong_arguments() -> None:
    for pixels in (torch.zeros(4, 4, 3, dtype=torch.uint8), torch.zeros(3, 4, 4)):
        with pytest.raises(ImageError, match=r"uint8 image \[3, H, W\]"):
            contact_sheet([[Tile(pixels)]])
    with pytest.raises(ValueError, match="row labels"):
        contact_sheet([[TILE]], row_labels=["a", "b"])
    with pytest.raises(ValueError, match="columns"):
        grid([TILE], 0)
