"""Node "Score Images"."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from contract_support.nodes import grey
from contract_support.pack import Many
from contract_support.pictures import pixels
from contract_support.rewards import Bright

NODE = "GANRMScore"
NAN, INF = float("nan"), float("inf")


def test_one_score_for_every_picture_in_the_order_they_came(pack: Any, bright: Bright, folders: Any) -> None:
    result = pack.run(NODE, images=grey(0.2, 0.8, 0.5), reward=bright)
    assert result["scores"] == pytest.approx([0.1, 0.4, 0.25])
    assert result.ui["scores"] == result["scores"]
    assert result.ui["ranks"] == [3, 1, 2]
    assert result.ui["summary"] == [result["summary"]]
    assert result["summary"] == (
        "3 candidates · min 0.10 · median 0.25 · max 0.40 · suggested threshold 0.31 · model brightness"
    )
    (shown,) = result.ui["images"]
    sheet = pixels(folders.temp / shown["subfolder"] / shown["filename"])
    assert result["preview"].shape == (1, *sheet.shape)


def test_a_list_of_different_sizes_in_groups_of_which_the_last_is_shorter(pack: Any, bright: Bright) -> None:
    images = [grey(0.2), grey(0.8, 0.6, size=(30, 4)), grey(0.5, channels=1), grey(1.0, channels=4)]
    before = [each.clone() for each in images]
    result = pack.run(NODE, images=Many(images), reward=bright, group_size=2)
    assert result["scores"] == pytest.approx([0.1, 0.4, 0.3, 0.25, 0.5])
    assert result.ui["ranks"] == [2, 1, 1, 2, 1]
    assert result["summary"].startswith("5 candidates in 3 groups · ")
    assert bright.seen[::4] == [(6, 8, 3), (6, 8, 4)], "all at once and with all channels"
    assert all(map(torch.equal, images, before))


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_an_invalid_frame_anywhere_ranks_the_clip_last(pack: Any, bright: Bright, bad: float) -> None:
    clips = Many([grey(0.2, 0.2), grey(*[0.8] * 20), grey(0.6)])
    clips[1][1, 3, 3, 1] = bad  # not among the eight that are scored
    result = pack.run(NODE, images=clips, reward=bright, candidate="each list item")
    assert result["scores"] == pytest.approx([0.1, 0.0, 0.3])
    assert result.ui["ranks"] == [2, 3, 1]
    assert result.ui["spoilt"] == [1]
    assert "2 is spoilt (NaN or infinite values) · min 0.10 · median 0.20 · " in result["summary"]


def test_what_is_picked_leaves_in_the_order_it_came(
    pack: Any, bright: Bright, is_blocked: Any, errors: Any
) -> None:
    images = grey(0.2, 0.8, 0.5)
    looking, picking = (pack.run(NODE, images=images, reward=bright, pick=pick) for pick in ("", "3, 1"))
    assert is_blocked(looking["picked"])
    (picked,) = picking["picked"]
    assert torch.equal(picked, images[[0, 2]])
    assert picking["scores"] == looking["scores"]
    sizes = Many([grey(0.2), grey(0.8, size=(30, 4))])
    (odd,) = pack.run(NODE, images=sizes, reward=bright, pick="2")["picked"]
    assert torch.equal(odd, sizes[1])
    with pytest.raises(errors.DataError, match='There is no image "4" to pick: there are 3 images'):
        pack.run(NODE, images=images, reward=bright, pick="4")


def test_the_page_gets_the_place_of_every_picture_on_the_sheet(
    pack: Any, bright: Bright, folders: Any
) -> None:
    result = pack.run(NODE, images=grey(0.2, 0.8, 0.5), reward=bright)
    (shown,) = result.ui["images"]
    sheet = pixels(folders.temp / shown["subfolder"] / shown["filename"])
    assert result.ui["candidates"] == [3]
    assert [(tile["number"], tile["score"]) for tile in result.ui["tiles"]] == [
        (2, "0.40"),
        (3, "0.25"),
        (1, "0.10"),
    ]
    for tile, level in zip(result.ui["tiles"], (0.8, 0.5, 0.2), strict=True):
        left, top, width, height = tile["box"]
        assert abs(sheet[top : top + height, left : left + width].astype(float) - 255 * level).max() < 1


def test_errors_name_the_picture_or_clip(pack: Any, bright: Bright, errors: Any) -> None:
    invalid, too_bright = Many([grey(NAN, NAN), grey(INF)]), Many([grey(NAN), grey(0.2), grey(200.0)])
    for images, unit, message in (
        (invalid, "each image", "All 3 pictures hold.*VAE.*--fp32-vae"),
        (invalid, "each list item", "All 2 clips hold.*VAE.*--fp32-vae"),
        (too_bright, "each image", "Image 3 of 3"),
        (too_bright, "each list item", "Clip 3 of 3"),
    ):
        with pytest.raises(errors.ImageError, match=message):
            pack.run(NODE, images=images, reward=bright, candidate=unit)


def test_cancel_is_asked_for_at_every_picture(pack: Any, bright: Bright, cancel: Any) -> None:
    checks = itertools.count(1)
    with pytest.raises(cancel(lambda: next(checks) == 3)):
        pack.run(NODE, images=grey(*[0.5] * 9), reward=bright)
    assert next(checks) == 4
