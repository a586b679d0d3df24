"""Pixel statistics independent of content: luma, power spectrum, mean colour, transparency."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from ...data.image_io import MID_GREY
from ...data.luma import LUMA_WEIGHTS

BANDS = 12
_CROP = 512  # side in pixels of the crop whose spectrum is measured
_FLOOR = 1e-3  # squared 8-bit steps: well under the rounding noise of 8 bits, which is 1/12
_SAMPLES = 256  # pixels of the shorter side sampled for colour and transparency, at most
_TRANSPARENT = 0.02  # share of mid-grey pixels from which on a picture has transparent parts


def luma(image: Tensor) -> Tensor:
    """uint8 [3, H, W] → float32 [H, W] in 8-bit steps."""
    return (torch.tensor(LUMA_WEIGHTS) @ image.flatten(1).float()).view(image.shape[1:])


def centre_crop(image: Tensor, side: int = _CROP) -> Tensor:
    """Centre crop of [..., H, W], at most `side` pixels each way, its corner on a multiple of 8 pixels."""
    height, width = image.shape[-2:]
    top, left = (max(0, size - side) // 2 // 8 * 8 for size in (height, width))
    return image[..., top : top + side, left : left + side]


def frequency_bands(grey: Tensor) -> tuple[float, ...]:
    """Radial power spectrum: log10 mean power, in squared 8-bit steps, of 12 rings, low to high frequency.

    Eleven rings of equal width reach 0.5 cycles per pixel, the last holds the corners beyond. `grey`: float32
    [H, W]. A ring without a frequency, in a tiny picture, takes its neighbour's value.
    """
    height, width = grey.shape
    window, power_of_window = _window(height, width)
    squares = torch.view_as_real(torch.fft.rfft2((grey - grey.mean()) * window)).square_()
    ring, count = _rings(height, width)
    total = torch.bincount(ring, (squares[..., 0] + squares[..., 1]).flatten(), BANDS)
    values: list[float] = []
    for power, number in zip(total.tolist(), count, strict=True):
        mean = power / power_of_window / number if number else None
        values.append(values[-1] if mean is None else math.log10(max(mean, _FLOOR)))
    return tuple(values)


def mean_colour(image: Tensor) -> tuple[float, ...]:
    """Mean red, green and blue, saturation (largest − smallest channel) and contrast (spread of luma), 0–1.

    `image`: uint8 [3, H, W].
    """
    sample = _subsampled(image)
    saturation = (sample.amax(dim=0) - sample.amin(dim=0)).float().mean() / 255
    contrast = luma(sample).std(correction=0) / 255
    return (*sample.float().mean(dim=(1, 2)).div_(255).tolist(), float(saturation), float(contrast))


def has_transparent_parts(image: Tensor) -> bool:
    """Whether a notable part of the picture is transparent: `read_image` lays it over mid-grey."""
    return float((_subsampled(image) == MID_GREY).all(dim=0).float().mean()) >= _TRANSPARENT


def _subsampled(image: Tensor) -> Tensor:
    step = -(-min(image.shape[1:]) // _SAMPLES)
    return image[:, ::step, ::step]


# Cached for few sizes: each takes up to 2 MB.
@lru_cache(maxsize=8)
def _window(height: int, width: int) -> tuple[Tensor, float]:
    """2D Hann window [height, width] and its power."""
    # Without the zeros at its ends, which would be all of a tiny picture.
    down, across = (torch.hann_window(length + 2, periodic=False)[1:-1] for length in (height, width))
    window = down.unsqueeze(1) * across
    return window, float(window.square().sum())


@lru_cache(maxsize=8)
def _rings(height: int, width: int) -> tuple[Tensor, list[int]]:
    """Ring index of each frequency, flat, and the number of frequencies in each ring."""
    frequency = torch.hypot(torch.fft.fftfreq(height).unsqueeze(1), torch.fft.rfftfreq(width))
    ring = (frequency * (2 * (BANDS - 1))).long().clamp_max(BANDS - 1).flatten()
    return ring, torch.bincount(ring, minlength=BANDS).tolist()
