"""Tensors and arrays of any layout to float32 [3, H, W] in 0–1, or refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ganrm_core.data.image_tensors import MID_GREY, as_image, as_images, over_mid_grey
from ganrm_core.utils.errors import ImageError


def ramp(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("shape", "count", "size"),
    [
        ((2, 5, 7, 3), 2, (5, 7)), ((2, 3, 5, 7), 2, (5, 7)), ((5, 7, 3), 1, (5, 7)), ((3, 5, 7), 1, (5, 7)),
        ((2, 5, 7, 1), 2, (5, 7)), ((2, 5, 7, 4), 2, (5, 7)), ((5, 7, 1), 1, (5, 7)), ((5, 7, 4), 1, (5, 7)),
        # both layouts fit: channels-last wins
        ((2, 3, 5, 3), 2, (3, 5)), ((2, 3, 3, 4), 2, (3, 3)), ((3, 5, 3), 1, (3, 5)), ((1, 1, 1, 3), 1, (1, 1)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("numpy", [False, True])
def test_layouts(shape: tuple[int, ...], count: int, size: tuple[int, int], numpy: bool) -> None:
    tensor = ramp(*shape)
    images = as_images(tensor.numpy() if numpy else tensor)
    assert len(images) == count
    assert all(image.shape == (3, *size) and image.dtype == torch.float32 for image in images)
    if shape[-1] not in (1, 4):
        last = tensor if shape[-1] == 3 else tensor.movedim(-3, -1)
        assert torch.equal(torch.stack(images), last.reshape(count, *size, 3).permute(0, 3, 1, 2))


def test_grey_is_repeated_and_alpha_is_laid_over_mid_grey() -> None:
    grey = ramp(1, 4, 4, 1)
    assert torch.equal(as_images(grey)[0], grey[0].permute(2, 0, 1).repeat(3, 1, 1))
    assert pytest.approx(0.5, abs=1 / 255) == MID_GREY
    red = torch.tensor([1.0, 0.0, 0.0]).expand(1, 1, 3, 3)
    alpha = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 3, 1)
    (image,) = as_images(torch.cat([red, alpha], dim=-1))
    half = [0.5 + MID_GREY / 2, MID_GREY / 2, MID_GREY / 2]
    torch.testing.assert_close(image[:, 0].T, torch.tensor([[MID_GREY] * 3, half, [1.0, 0.0, 0.0]]))
    rgb, clear = ramp(2, 3, 4, 4), torch.zeros(2, 1, 4, 4)
    assert torch.allclose(over_mid_grey(rgb, clear), torch.full_like(rgb, MID_GREY))


def test_lists_of_different_sizes_and_a_batch_inside_which_needs_flatten() -> None:
    images = as_images([ramp(5, 7, 3), ramp(1, 4, 6, 4), ramp(3, 8, 9), ramp(2, 2, 1).numpy()])
    assert [tuple(image.shape) for image in images] == [(3, 5, 7), (3, 4, 6), (3, 8, 9), (3, 2, 2)]
    clip = ramp(3, 5, 7, 3)
    with pytest.raises(ImageError, match=r"Image 2 of 2 \(index 1\) is a batch of 3 images.*Split the batch"):
        as_images([ramp(5, 7, 3), clip])
    images = as_images([ramp(5, 7, 3), clip], flatten=True)
    assert len(images) == 4
    assert torch.equal(images[3], clip[2].permute(2, 0, 1))


def test_single_sparks_are_clipped_and_many_are_another_range() -> None:
    for spark in (-7.0, 40.0):
        picture = ramp(1, 100, 100, 3)
        picture[0, 0, :3, 0] = spark
        for found in (as_images(picture)[0], as_image(picture[0], 0, 1)):
            assert torch.equal(found, picture[0].movedim(-1, 0).clamp(0, 1))
        picture[0, :2, :, 0] = spark
        with pytest.raises(ImageError, match="but 0 to 1 is expected"):
            as_images(picture)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "NaN.*fp32"),
        (float("inf"), "infinite"),
        (float("-inf"), "infinite"),
        (1.9, "to 1.9, but 0 to 1.*Clamp"),
        (-1.0, r"shift and scale it, \(x \+ 1\) / 2"),
        (255.0, "to 255.*Divide it by 255"),
    ],
)
def test_bad_values_and_other_ranges_name_the_image(value: float, message: str) -> None:
    spoilt = ramp(4, 5, 5, 3)
    spoilt[2, 1, 1, 0] = value
    for images in (spoilt, list(spoilt)):
        with pytest.raises(ImageError, match=r"Image 3 of 4 \(index 2\).*" + message):
            as_images(images)
    with pytest.raises(ImageError, match=r"Image 4 of 5 \(index 3\).*" + message):
        as_images([ramp(3, 3, 3), spoilt], flatten=True)
    with pytest.raises(ImageError, match="If it is a latent, decode it with a VAE"):
        as_images(torch.randn(1, 64, 64, 3, generator=torch.Generator().manual_seed(0)) * 2)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(4, 4), r"shape \(4, 4\)"),
        (torch.zeros(1, 5, 5, 2), "no axis holds"),
        (torch.zeros(0, 5, 5, 3), "no images"),
        ([], "no images"),
        (torch.zeros(1, 3, 5, 0), "no pixels"),
        ([torch.zeros(5, 5, 3), torch.zeros(5, 0, 3)], r"index 1.*no pixels"),
        (np.zeros((1, 5, 5, 3), np.uint8), "whole numbers.*divide by 255"),
        ([torch.zeros(5, 5, 3, dtype=torch.int64)], "index 0.*whole numbers"),
        (np.zeros((1, 5, 5, 3), complex), "complex"),
        (["a.png"], "index 0.*is a str"),
        ([None], "NoneType"),
    ],
)
def test_what_is_no_image_is_explained(images: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        as_images(images)
