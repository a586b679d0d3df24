"""Batches and lists in, the chosen ones out: pixels, latents and masks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contract_support.pictures import noise
from torch import Tensor

EACH, ITEM = "each image", "each list item"


@pytest.fixture(scope="module")
def candidates(pack: Any) -> Any:
    return pack.module("nodes.display.candidates").Candidates


@pytest.fixture(scope="module")
def thumbnail(pack: Any) -> Any:
    return pack.module("nodes.display.ranked_sheets").thumbnail


def batch(count: int, height: int = 4, width: int = 5, channels: int = 3, seed: int = 0) -> Tensor:
    return noise(count, (height, width), channels, seed)


def same(found: list[Tensor], expected: list[Tensor]) -> bool:
    return len(found) == len(expected) and all(
        one.dtype == other.dtype and torch.equal(one, other)
        for one, other in zip(found, expected, strict=True)
    )


class TestPictures:
    def test_a_batch_stays_a_batch_and_a_list_a_list_of_any_sizes(self, candidates: Any) -> None:
        images = batch(5)
        found = candidates([images], EACH)
        assert same(found.choose([3, 0]), [images[[3, 0]]])
        assert found.choose([]) == []
        assert found.picture(1).data_ptr() == images[1].data_ptr(), "pictures are not copied"
        assert same(candidates([images[0]], EACH).choose([0]), [images[:1]])
        several = [batch(1), batch(2, 7, 3, seed=1), batch(1, 2, 2, seed=2)]
        found = candidates(several, EACH)
        assert len(found) == 4
        assert same(found.choose([3, 2, 0]), [several[2], several[1][1:], several[0]])

    @pytest.mark.parametrize(
        ("items", "unit", "message"),
        [
            ([], EACH, "no images"),
            ([torch.zeros(0, 4, 4, 3)], EACH, "no images"),
            ([torch.zeros(0, 4, 4, 3)], ITEM, "is empty"),
            ([batch(1), None], EACH, "Item 2 of the images is no image. Connect an IMAGE output"),
            ([batch(1), torch.zeros(1, 0, 4, 3)], EACH, r"Item 2 .* is empty: its shape is \(1, 0, 4, 3\)"),
            ([batch(1)], "each frame", r"no candidate 'each frame'.*each image, each list item"),
        ],
    )
    def test_errors(self, candidates: Any, errors: Any, items: list[Any], unit: str, message: str) -> None:
        with pytest.raises(errors.GanRMError, match=message):
            candidates(items, unit)


class TestLatents:
    def test_a_batch_follows_and_other_entries_stay(self, candidates: Any) -> None:
        for shape in ((4, 8, 8), (16, 3, 4, 4), (8, 32)):
            samples = torch.rand(5, *shape)
            (chosen,) = candidates([batch(5)], EACH).latents([{"samples": samples}], [4, 1])
            assert torch.equal(chosen["samples"], samples[[4, 1]])
            assert chosen["batch_index"] == [4, 1]
        latent = {"samples": torch.rand(3, 4, 8, 8), "batch_index": [7, 8, 2], "downscale_ratio_spacial": 16}
        before = dict(latent)
        (chosen,) = candidates([batch(3)], EACH).latents([latent], [2, 0])
        assert (chosen["batch_index"], chosen["downscale_ratio_spacial"]) == ([2, 7], 16)
        assert latent == before

    @pytest.mark.parametrize(
        ("shape", "rows"),
        [
            ((4, 1, 8, 8), [3, 2]),
            ((4, 8, 8), [3, 2]),
            ((2, 1, 8, 8), [1, 0]),  # fewer repeat, as in core
            ((1, 1, 8, 8), [0]),  # one is for all
            ((1, 8, 8), [0]),
        ],
    )
    def test_noise_masks_follow(self, candidates: Any, shape: tuple[int, ...], rows: list[int]) -> None:
        mask = torch.rand(*shape)
        latent = {"samples": torch.rand(4, 4, 8, 8), "noise_mask": mask}
        (chosen,) = candidates([batch(4)], EACH).latents([latent], [3, 2])
        assert torch.equal(chosen["noise_mask"], mask[rows])

    def test_lists_beside_batches_and_clips_with_theirs_whole_or_a_row(self, candidates: Any) -> None:
        latents = [{"samples": torch.rand(1, 4, 8, 8)}, {"samples": torch.rand(2, 4, 6, 6)}]
        row = latents[1]["samples"][1:]
        chosen = candidates([batch(3)], EACH).latents(latents, [2, 0])
        assert [one["batch_index"] for one in chosen] == [[1], [0]]
        assert same([one["samples"] for one in chosen], [row, latents[0]["samples"]])
        clips = candidates([batch(9), batch(4)], ITEM)
        assert clips.latents(latents, [1, 0]) == latents[::-1]
        for found in (candidates([batch(1), batch(1)], EACH), clips):
            (chosen,) = found.latents(latents[1:], [1])
            assert torch.equal(chosen["samples"], row)
            assert chosen["batch_index"] == [1]


def test_masks_follow_a_batch_a_list_and_clips(candidates: Any) -> None:
    masks = torch.rand(3, 4, 5)
    assert same(candidates([batch(3)], EACH).masks([masks], [2, 0]), [masks[[2, 0]]])
    several = [torch.rand(4, 5), torch.rand(1, 6, 7)]  # one without its batch axis
    chosen = candidates([batch(1), batch(1)], EACH).masks(several, [1, 0])
    assert same(chosen, [several[1], several[0].unsqueeze(0)])
    of_clips = [torch.rand(9, 4, 5), torch.rand(1, 4, 5)]
    assert same(candidates([batch(9), batch(3)], ITEM).masks(of_clips, [0]), [of_clips[0]])


def test_latents_and_masks_that_do_not_fit(candidates: Any, errors: Any) -> None:
    images, latent = [batch(2), batch(1)], {"samples": torch.rand(1, 4, 8, 8)}
    advice = "one for each, or none"
    for unit, latents, message in (
        (EACH, [latent] * 2, f"3 images but 2 latents.*{advice}. For clips, set candidate"),
        (ITEM, [latent] * 3, f"2 list items but 3 latents.*{advice}.$"),
        (EACH, [{}], "latents hold no samples"),
        (EACH, [torch.zeros(1, 4, 8, 8)], "latents hold no samples"),
    ):
        with pytest.raises(errors.DataError, match=message):
            candidates(images, unit).latents(latents, [0])
    with pytest.raises(errors.DataError, match="There are 3 images but 1 masks"):
        candidates(images, EACH).masks([torch.rand(1, 4, 5)], [0])


def test_thumbnails_are_small_and_rgb_means_of_pixels_of_any_kind(thumbnail: Any) -> None:
    for pixels, expected in (
        (torch.zeros(2, 2, 4), 128),  # transparent: over mid-grey
        (torch.full((2, 2, 3), float("nan")), 0),
        (torch.full((2, 2, 3), 7.0), 255),
        (torch.full((2, 2, 3), 100, dtype=torch.uint8), 100),
        (torch.full((2, 2, 3), 0.5, dtype=torch.bfloat16), 128),
    ):
        assert thumbnail(pixels, 9).unique().tolist() == [expected]
    for channels in (1, 2, 3, 4, 7):
        small = thumbnail(batch(1, 100, 300, channels)[0], 60)
        assert (small.shape, small.dtype) == ((3, 20, 60), torch.uint8)
    picture = torch.zeros(4, 4, 3)
    picture[:, 2:] = 1.0
    assert thumbnail(picture, 2)[0].tolist() == [[0, 255], [0, 255]]
