"""What can be measured in a picture without knowing what it shows: grain, mean colour."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from ...data.image_io import MID_GREY

BANDS = 12
_CROP = 512  # pixels a side that the frequencies are measured on
_FLOOR = 1e-3  # squared 8-bit steps: well under the rounding noise of 8 bits, which is 1/12
_SAMPLES = 256  # pixels of the shorter side that are looked at for colour and transparency, at most

_KEYED_OUT = 0.02

_LUMA = torch.tensor([0.299, 0.587, 0.114])


def luma(image: Tensor) -> Tensor:
    """float32 [H, W] in 8-bit steps, for uint8 [3, H, W]. Source: ITU-R BT.601."""
    return (_LUMA @ image.flatten(1).float()).view(image.shape[1:])


def centre(image: Tensor, side: int = _CROP) -> Tensor:
    """The middle of [..., H, W], at most `side` pixels each way, its corner on a multiple of 8 pixels."""
    height, width = image.shape[-2:]
    top, left = (max(0, size - side) // 2 // 8 * 8 for size in (height, width))
    return image[..., top : top + side, left : left + side]


def frequency_bands(grey: Tensor) -> tuple[float, ...]:
    """log10 of the mean power, in squared 8-bit steps, of 12 rings of spatial frequency, low to high.

    Eleven rings of equal width reach 0.5 cycles per pixel, the last holds what the corners have
    beyond. `grey`: float32 [H, W]. A ring without a frequency in a tiny picture takes its neighbour's.
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
    few = _thinned(image)
    saturation = (few.amax(dim=0) - few.amin(dim=0)).float().mean() / 255
    contrast = luma(few).std(correction=0) / 255
    return (*few.float().mean(dim=(1, 2)).div_(255).tolist(), float(saturation), float(contrast))


def shows_through(image: Tensor) -> bool:
    """Whether `read_image` has laid a notable part of the picture over mid-grey."""
    return float((_thinned(image) == MID_GREY).all(dim=0).float().mean()) >= _KEYED_OUT


def _thinned(image: Tensor) -> Tensor:
    step = -(-min(image.shape[1:]) // _SAMPLES)
    return image[:, ::step, ::step]


# Few sizes at a time: each takes up to 2 MB.
@lru_cache(maxsize=8)
def _window(height: int, width: int) -> tuple[Tensor, float]:
    """The window [height, width] and its power."""
    # Without its zeros, for tiny pictures.
    down, across = (torch.hann_window(length + 2, periodic=False)[1:-1] for length in (height, width))
    window = down.unsqueeze(1) * across
    return window, float(window.square().sum())


@lru_cache(maxsize=8)
def _rings(height: int, width: int) -> tuple[Tensor, list[int]]:
    """The ring of each frequency, flat, and how many each ring has."""
    frequency = torch.hypot(torch.fft.fftfreq(height).unsqueeze(1), torch.fft.rfftfreq(width))
    ring = (frequency * (2 * (BANDS - 1))).long().clamp_max(BANDS - 1).flatten()
    return ring, torch.bincount(ring, minlength=BANDS).tolist()
