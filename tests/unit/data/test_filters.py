"""Blur and dilation of maps and masks, against the plain, slow definitions."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d, max_pool2d, pad

from ganrm_core.data.dilation import dilated
from ganrm_core.data.filters import blurred

SIZES = [(1, 1), (1, 40), (30, 1), (16, 16), (37, 91), (60, 600)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("reach", [0, 1, 5, 16, 90, 4000])
def test_a_blur_is_a_convolution_with_repeated_edges(size: tuple[int, int], reach: int) -> None:
    places = torch.rand(size, generator=torch.Generator().manual_seed(0))
    radius = min(reach, min(size) - 1)
    expected = places
    if radius:
        kernel = torch.exp(-(torch.arange(-radius, radius + 1) * 3 / reach).square() / 2)
        kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
        padded = pad(places[None, None], (radius,) * 4, mode="replicate")
        expected = conv2d(conv2d(padded, kernel), kernel.transpose(2, 3))[0, 0]
    made = blurred(places, reach)
    torch.testing.assert_close(made, expected, rtol=0, atol=3e-6)
    assert made.is_contiguous()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixels", [0, 1, 2, 3, 7, 30, 2000])
def test_dilation_is_the_maximum_of_a_square(size: tuple[int, int], pixels: int) -> None:
    mask = torch.rand(size, generator=torch.Generator().manual_seed(0)) > 0.98
    down, across = (min(pixels, side - 1) for side in size)
    padded = pad(mask[None, None].float(), (across, across, down, down))
    columns = max_pool2d(padded, (1, 2 * across + 1), stride=1)
    assert torch.equal(dilated(mask, pixels), max_pool2d(columns, (2 * down + 1, 1), stride=1)[0, 0] > 0)
