"""Whether a picture has been a JPEG, whatever it was saved as since."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_FREQUENCIES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1))
_STEPS = torch.arange(3, 25).float()  # finer ones drown in the rounding to 8 bits, coarser ones are rare
_FURTHEST = 8.0  # teeth of the comb that are looked at
_LEAST = 30  # coefficients that a judgement takes
_NOISE = 1.8  # the highest of 22 means of random cosines, in units of 1 / √count


def jpeg_traces(grey: Tensor) -> float:
    """How clearly the picture's 8 × 8 blocks have been quantised: 0 not at all, 1 perfectly.

    JPEG leaves the cosine coefficients of a block at multiples of its quantisation steps. Measured is
    the mean of cos(2π·coefficient / step) at the step that fits best, averaged over seven low
    frequencies. Scaling or shifting the picture wipes the traces out. `grey`: float32 [H, W] in 8-bit
    steps, its corner on the block grid. Source: after Fan & de Queiroz 2003, Identification of bitmap
    compression history.
    """
    height, width = (side // 8 for side in grey.shape)
    if height * width < _LEAST:
        return 0.0
    blocks = grey[: height * 8, : width * 8].reshape(height, 8, width, 8).transpose(1, 2).reshape(-1, 64)
    # [frequencies, steps, blocks]
    in_steps = (blocks @ _patterns()).abs().T.unsqueeze(1) / _STEPS.unsqueeze(1)
    # The heap around 0 is there in every picture.
    counted = ((in_steps > 0.5) & (in_steps < _FURTHEST)).float()
    number = counted.sum(dim=2)
    fit = in_steps.mul_(2 * math.pi).cos_().mul_(counted).sum(dim=2) / number.clamp_min(1)
    beyond_noise = torch.where(number >= _LEAST, fit - _NOISE / number.clamp_min(1).sqrt(), 0.0)
    return float(beyond_noise.amax(dim=1).clamp_min(0).mean())


@lru_cache(maxsize=1)
def _patterns() -> Tensor:
    """The cosine patterns [64, 7] of the frequencies, as ITU-T T.81 scales them."""
    place = torch.arange(8.0)
    waves = torch.cos((2 * place + 1) * place.unsqueeze(1) * math.pi / 16) / 2
    waves[0] /= 2**0.5
    return torch.stack([torch.outer(waves[i], waves[j]).flatten() for i, j in _FREQUENCIES], dim=1)
