"""Batches and lists in, the chosen ones out: pixels, latents and masks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

Latent = dict[str, Any]


@pytest.fixture
def candidates(pack: Any) -> Any:
    return pack.module("nodes.display.candidates").Candidates


@pytest.fixture
def data_error(pack: Any) -> Any:
    return pack.module("ganrm_core.utils.errors").DataError


@pytest.fixture
def image_error(pack: Any) -> Any:
    return pack.module("ganrm_core.utils.errors").ImageError


def batch(count: int, height: int = 4, width: int = 5, channels: int = 3, seed: int = 0) -> Tensor:
    return torch.rand(count, height, width, channels, generator=torch.Generator().manual_seed(seed))


def same(found: list[Tensor], expected: list[Tensor]) -> bool:
    return len(found) == len(expected) and all(
        one.dtype == other.dtype and torch.equal(one, other)
        for one, other in zip(found, expected, strict=True)
    )


class TestPictures:
    def test_a_batch_stays_a_batch(self, candidates: Any) -> None:
        images = batch(5)
        chosen = candidates([images], "each image").choose([3, 0])
        assert same(chosen, [images[[3, 0]]])

    def test_a_list_stays_a_list_of_any_sizes(self, candidates: Any) -> None:
        images = [batch(1), batch(2, 7, 3, seed=1), batch(1, 2, 2, seed=2)]
        found = candidates(images, "each image")
        assert len(found) == 4
        assert same(found.choose([3, 2, 0]), [images[2], images[1][1:], images[0]])

    def test_a_single_picture(self, candidates: Any) -> None:
        images = batch(1)
        assert same(candidates([images], "each image").choose([0]), [images])
        assert same(candidates([images[0]], "each image").choose([0]), [images])

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
    @pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
    def test_pixels_leave_as_they_came(self, candidates: Any, channels: int, dtype: torch.dtype) -> None:
        images = (batch(3, channels=channels) * 3 - 1).to(dtype)
        before = images.clone()
        found = candidates([images], "each image")
        found.picture(1)
        assert same(found.choose([2, 1]), [before[[2, 1]]])
        assert torch.equal(images, before)

    def test_pictures_are_not_copied_to_be_looked_at(self, candidates: Any) -> None:
        images = batch(3)
        assert candidates([images], "each image").picture(1).data_ptr() == images[1].data_ptr()

    def test_clips_travel_whole(self, candidates: Any) -> None:
        clips = [batch(9), batch(2, seed=1), batch(1, seed=2)]
        found = candidates(clips, "each list item")
        assert len(found) == 3
        assert same(found.choose([2, 0]), [clips[2], clips[0]])
        assert torch.equal(found.picture(0), clips[0][4])

    def test_a_batch_is_one_clip(self, candidates: Any) -> None:
        clip = batch(9)
        found = candidates([clip], "each list item")
        assert len(found) == 1
        assert same(found.choose([0]), [clip])

    def test_nothing_chosen_is_an_empty_list(self, candidates: Any) -> None:
        assert candidates([batch(2)], "each image").choose([]) == []
        assert candidates([batch(2)], "each list item").choose([]) == []

    @pytest.mark.parametrize("unit", ["each image", "each list item"])
    @pytest.mark.parametrize("images", [[], [torch.zeros(0, 4, 4, 3)]])
    def test_no_picture(self, candidates: Any, image_error: Any, images: list[Tensor], unit: str) -> None:
        with pytest.raises(image_error, match=r"no images|is empty"):
            candidates(images, unit)

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            (None, "Item 2 of the images is no image. Connect an IMAGE output"),
            (torch.zeros(4, 4), "Item 2 of the images is no image"),
            (torch.zeros(1, 0, 4, 3), r"Item 2 of the images is empty: its shape is \(1, 0, 4, 3\)"),
        ],
    )
    def test_what_is_no_picture(self, candidates: Any, image_error: Any, item: Any, message: str) -> None:
        with pytest.raises(image_error, match=message):
            candidates([batch(1), item], "each image")

    def test_an_unknown_kind_of_candidate(self, candidates: Any, data_error: Any) -> None:
        with pytest.raises(data_error, match=r"no candidate 'each frame'.*each image, each list item"):
            candidates([batch(1)], "each frame")


class TestLatents:
    @pytest.mark.parametrize("shape", [(4, 8, 8), (16, 3, 4, 4), (8, 32)])
    def test_a_batch_follows(self, candidates: Any, shape: tuple[int, ...]) -> None:
        samples = torch.rand(5, *shape)
        (chosen,) = candidates([batch(5)], "each image").latents([{"samples": samples}], [4, 1])
        assert torch.equal(chosen["samples"], samples[[4, 1]])
        assert chosen["batch_index"] == [4, 1]

    def test_what_it_holds_besides_stays(self, candidates: Any) -> None:
        latent = {"samples": torch.rand(3, 4, 8, 8), "batch_index": [7, 8, 2], "downscale_ratio_spacial": 16}
        (chosen,) = candidates([batch(3)], "each image").latents([latent], [2, 0])
        assert chosen["batch_index"] == [2, 7]
        assert chosen["downscale_ratio_spacial"] == 16
        assert list(latent) == ["samples", "batch_index", "downscale_ratio_spacial"]
        assert latent["batch_index"] == [7, 8, 2]

    @pytest.mark.parametrize("shape", [(4, 1, 8, 8), (4, 8, 8)])
    def test_noise_masks_follow(self, candidates: Any, shape: tuple[int, ...]) -> None:
        mask = torch.rand(*shape)
        latent = {"samples": torch.rand(4, 4, 8, 8), "noise_mask": mask}
        (chosen,) = candidates([batch(4)], "each image").latents([latent], [3, 1])
        assert torch.equal(chosen["noise_mask"], mask[[3, 1]])

    @pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 8, 8), (8, 8)])
    def test_one_noise_mask_is_for_all(self, candidates: Any, shape: tuple[int, ...]) -> None:
        mask = torch.rand(*shape)
        latent = {"samples": torch.rand(4, 4, 8, 8), "noise_mask": mask}
        (chosen,) = candidates([batch(4)], "each image").latents([latent], [3, 1])
        assert torch.equal(chosen["noise_mask"], mask)

    def test_fewer_noise_masks_repeat_as_in_core(self, candidates: Any) -> None:
        mask = torch.rand(2, 1, 8, 8)
        latent = {"samples": torch.rand(4, 4, 8, 8), "noise_mask": mask}
        (chosen,) = candidates([batch(4)], "each image").latents([latent], [3, 2])
        assert torch.equal(chosen["noise_mask"], mask[[1, 0]])

    def test_a_list_beside_a_batch(self, candidates: Any) -> None:
        latents = [{"samples": torch.rand(1, 4, 8, 8)}, {"samples": torch.rand(2, 4, 6, 6)}]
        chosen = candidates([batch(3)], "each image").latents(latents, [2, 0])
        assert [one["batch_index"] for one in chosen] == [[1], [0]]
        assert same([one["samples"] for one in chosen], [latents[1]["samples"][1:], latents[0]["samples"]])

    def test_a_batch_beside_a_list(self, candidates: Any) -> None:
        samples = torch.rand(2, 4, 8, 8)
        (chosen,) = candidates([batch(1), batch(1)], "each image").latents([{"samples": samples}], [1])
        assert torch.equal(chosen["samples"], samples[1:])

    def test_a_clip_takes_its_latent_whole(self, candidates: Any) -> None:
        latents = [{"samples": torch.rand(1, 16, 3, 4, 4)}, {"samples": torch.rand(4, 4, 8, 8)}]
        chosen = candidates([batch(9), batch(4)], "each list item").latents(latents, [1, 0])
        assert chosen == latents[::-1]

    def test_clips_whose_latents_are_rows_of_one_batch(self, candidates: Any) -> None:
        samples = torch.rand(2, 16, 3, 4, 4)
        (chosen,) = candidates([batch(9), batch(9)], "each list item").latents([{"samples": samples}], [1])
        assert torch.equal(chosen["samples"], samples[1:])
        assert chosen["batch_index"] == [1]

    @pytest.mark.parametrize(
        ("unit", "message"),
        [
            ("each image", "3 images but 2 latents.*one for each, or none. For clips, set candidate"),
            ("each list item", "2 list items but 3 latents.*one for each, or none.$"),
        ],
    )
    def test_counts_must_match(self, candidates: Any, data_error: Any, unit: str, message: str) -> None:
        count = 2 if unit == "each image" else 3
        latents = [{"samples": torch.rand(1, 4, 8, 8)}] * count
        with pytest.raises(data_error, match=message):
            candidates([batch(2), batch(1)], unit).latents(latents, [0])

    @pytest.mark.parametrize("latent", [{}, {"samples": None}, torch.zeros(1, 4, 8, 8)])
    def test_what_is_no_latent(self, candidates: Any, data_error: Any, latent: Any) -> None:
        with pytest.raises(data_error, match="latents hold no samples"):
            candidates([batch(1)], "each image").latents([latent], [0])


class TestMasks:
    def test_a_batch_follows(self, candidates: Any) -> None:
        masks = torch.rand(3, 4, 5)
        assert same(candidates([batch(3)], "each image").masks([masks], [2, 0]), [masks[[2, 0]]])

    def test_a_list_follows_without_its_batch_axis_too(self, candidates: Any) -> None:
        masks = [torch.rand(4, 5), torch.rand(1, 6, 7)]
        chosen = candidates([batch(1), batch(1)], "each image").masks(masks, [1, 0])
        assert same(chosen, [masks[1], masks[0].unsqueeze(0)])

    def test_a_clip_takes_its_masks_whole(self, candidates: Any) -> None:
        masks = [torch.rand(9, 4, 5), torch.rand(1, 4, 5)]
        assert same(candidates([batch(9), batch(3)], "each list item").masks(masks, [0]), [masks[0]])

    def test_counts_must_match(self, candidates: Any, data_error: Any) -> None:
        with pytest.raises(data_error, match="There are 3 images but 1 masks"):
            candidates([batch(3)], "each image").masks([torch.rand(1, 4, 5)], [0])


class TestThumbnails:
    @pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
    def test_small_and_of_three_channels(self, pack: Any, channels: int) -> None:
        picture = batch(1, 100, 300, channels)[0]
        thumbnail = pack.module("nodes.display.ranked_sheets").thumbnail(picture, 60)
        assert thumbnail.shape == (3, 20, 60)
        assert thumbnail.dtype == torch.uint8

    def test_means_of_the_pixels(self, pack: Any) -> None:
        picture = torch.zeros(4, 4, 3)
        picture[:, 2:] = 1.0
        thumbnail = pack.module("nodes.display.ranked_sheets").thumbnail(picture, 2)
        assert thumbnail[0].tolist() == [[0, 255], [0, 255]]

    def test_transparency_over_mid_grey(self, pack: Any) -> None:
        thumbnail = pack.module("nodes.display.ranked_sheets").thumbnail(torch.zeros(2, 2, 4), 9)
        assert thumbnail.unique().tolist() == [128]

    @pytest.mark.parametrize(
        ("picture", "expected"),
        [
            (torch.full((2, 2, 3), float("nan")), 0),
            (torch.full((2, 2, 3), 7.0), 255),
            (torch.full((2, 2, 3), 100, dtype=torch.uint8), 100),
            (torch.full((2, 2, 3), 0.5, dtype=torch.bfloat16), 128),
        ],
    )
    def test_pixels_of_any_kind(self, pack: Any, picture: Tensor, expected: int) -> None:
        before = picture.clone()
        thumbnail = pack.module("nodes.display.ranked_sheets").thumbnail(picture, 9)
        assert thumbnail.unique().tolist() == [expected]
        assert torch.equal(picture, before) or torch.isnan(picture).all()
