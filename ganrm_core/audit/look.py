"""What can be measured in a picture without knowing what it shows: borders, grain, mean colour."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..images import MID_GREY

BANDS = 12
_CROP = 512  # pixels a side that the frequencies are measured on
_FLOOR = 1e-3  # squared 8-bit steps: well under the rounding noise of 8 bits, which is 1/12
_SAMPLES = 256  # pixels of the shorter side that are looked at for colour and transparency, at most

_NOISE = 8.0  # 8-bit steps that a border of one colour strays by on average, after a strong JPEG
_STEP = 10.0  # 8-bit steps by which a picture differs from its border
_WIDEST = 4  # a border takes at most a quarter of the side
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


def borders(image: Tensor) -> tuple[int, int, int, int]:
    """Width in pixels of a border of one colour: top, right, bottom, left; 0 for none.

    A border is uniform along its whole side and ends in a step along most of it; a plain background
    does not. `image`: uint8 [3, H, W].
    """
    upright: NDArray[np.uint8] = image.numpy()  # which costs less than torch where so little is looked at
    sideways = upright.transpose(0, 2, 1)
    return (
        _border(upright),
        _border(sideways[:, ::-1]),
        _border(upright[:, ::-1]),
        _border(sideways),
    )


def _border(image: NDArray[np.uint8]) -> int:
    """Rows at the top of [3, H, W] that are a border."""
    most = image.shape[1] // _WIDEST
    first = image[:, 0].astype(np.int16)
    middle = (first.shape[1] - 1) // 2
    colour = np.partition(first, middle, axis=1)[:, middle, np.newaxis]
    # Nearly every picture is done after its first row.
    if not most or np.abs(first - colour).max(axis=0).mean() > _NOISE:
        return 0
    for start in range(0, most, 32):
        rows = image[:, start : min(start + 32, most) + 1].astype(np.int16)
        away = np.abs(rows - colour[:, np.newaxis]).max(axis=0)
        ends = np.flatnonzero(away.mean(axis=1) > _NOISE)
        if len(ends):
            row = int(ends[0])
            crossed = float((away[row] > _STEP).mean()) > 0.5
            return start + row if crossed else 0
    return 0


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
