"""What can be measured in a picture without knowing what it shows: borders, grain, mean colour."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ..images import MID_GREY

BANDS = 12
_CROP = 512  # pixels a side that the frequencies are measured on
_FLOOR = 1e-3  # squared 8-bit steps: well under the rounding noise of 8 bits, which is 1/12
_SAMPLES = 256  # pixels a side that are looked at for colour

_NOISE = 8.0  # 8-bit steps that a border of one colour strays by on average, after a strong JPEG
_STEP = 10.0  # 8-bit steps by which a picture differs from its border
_WIDEST = 4  # a border takes at most a quarter of the side
_KEYED_OUT = 0.02

_LUMA = (0.299, 0.587, 0.114)


def luma(image: Tensor) -> Tensor:
    """float32 [H, W] in 8-bit steps, for uint8 [3, H, W]. Source: ITU-R BT.601."""
    red, green, blue = image.float()
    grey: Tensor = red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2]
    return grey


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
    window = _hann(height).unsqueeze(1) * _hann(width)
    spectrum = torch.fft.rfft2((grey - grey.mean()) * window).abs().square() / window.square().sum()
    ring = _rings(height, width)
    total = torch.bincount(ring.flatten(), spectrum.flatten(), BANDS)
    count = torch.bincount(ring.flatten(), minlength=BANDS)
    values: list[float] = []
    for power, number in zip(total.tolist(), count.tolist(), strict=True):
        mean = power / number if number else None
        values.append(values[-1] if mean is None else float(torch.tensor(max(mean, _FLOOR)).log10()))
    return tuple(values)


def mean_colour(image: Tensor) -> tuple[float, ...]:
    """Mean red, green and blue, saturation (largest − smallest channel) and contrast (spread of luma), 0–1.

    `image`: uint8 [3, H, W].
    """
    few = _thinned(image).float() / 255
    saturation = (few.amax(dim=0) - few.amin(dim=0)).mean()
    contrast = (few * few.new_tensor(_LUMA).view(3, 1, 1)).sum(dim=0).std(correction=0)
    return (*few.mean(dim=(1, 2)).tolist(), float(saturation), float(contrast))


def shows_through(image: Tensor) -> bool:
    """Whether `read_image` has laid a notable part of the picture over mid-grey."""
    return float((_thinned(image) == MID_GREY).all(dim=0).float().mean()) >= _KEYED_OUT


def borders(image: Tensor) -> tuple[int, int, int, int]:
    """Width in pixels of a border of one colour: top, right, bottom, left; 0 for none.

    A border is uniform along its whole side and ends in a step along most of it; a plain background
    does not. `image`: uint8 [3, H, W].
    """
    sideways = image.transpose(1, 2)
    return (
        _border(image),
        _border(sideways.flip(1)),
        _border(image.flip(1)),
        _border(sideways),
    )


def _border(image: Tensor) -> int:
    """Rows at the top of [3, H, W] that are a border."""
    most = image.shape[1] // _WIDEST
    first = image[:, 0].float()
    colour = first.median(dim=1, keepdim=True).values
    # Nearly every picture is done after its first row.
    if not most or (first - colour).abs().amax(dim=0).mean() > _NOISE:
        return 0
    colour = colour.unsqueeze(2)
    for start in range(0, most, 32):
        rows = image[:, start : min(start + 32, most) + 1].float()
        away = (rows - colour).abs().amax(dim=0)
        ends = (away.mean(dim=1) > _NOISE).nonzero()
        if len(ends):
            row = int(ends[0])
            crossed = float((away[row] > _STEP).float().mean()) > 0.5
            return start + row if crossed else 0
    return 0


def _thinned(image: Tensor) -> Tensor:
    step = max(1, min(image.shape[1:]) // _SAMPLES)
    return image[:, ::step, ::step]


@lru_cache(maxsize=64)
def _hann(length: int) -> Tensor:
    return torch.hann_window(length + 2, periodic=False)[1:-1]  # without its zeros, for tiny pictures


@lru_cache(maxsize=64)
def _rings(height: int, width: int) -> Tensor:
    frequency = torch.hypot(torch.fft.fftfreq(height).unsqueeze(1), torch.fft.rfftfreq(width))
    return (frequency * (2 * (BANDS - 1))).long().clamp_max(BANDS - 1)
