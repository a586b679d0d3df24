"""Detection of earlier JPEG compression from block DCT coefficients, whatever the format now."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_LOW = 3  # DCT frequencies each way
_MEASURED = [1, 2, 3, 4, 5, 6, 7]  # of the 3 × 3 frequencies: neither the mean nor the highest
_STEPS = range(3, 25)  # quantisation steps: finer ones drown in the rounding to 8 bits, coarser ones are rare
_MULTIPLES = 8  # of a step, up to which coefficients count
_BINS_PER_UNIT = 8  # histogram resolution: a 24th of the finest step
_BINS = _STEPS[-1] * _MULTIPLES * _BINS_PER_UNIT + 1
_LEAST = 30  # coefficients for an estimate
_SHIFTS = ((4, 4), (4, 0), (0, 4))  # pixels down and across, off the block grid
_FAINTEST = 0.05  # what drawings that never were a JPEG reach by chance
_NOISE = 1.8  # the highest of 22 means of random cosines, in units of 1 / √count


def jpeg_traces(grey: Tensor) -> float:
    """How clearly the picture's 8 × 8 blocks have been quantised: 0 not at all, 1 perfectly.

    JPEG leaves the DCT coefficients of a block at multiples of its quantisation steps. Measured is the mean of
    cos(2π·coefficient / step) at the step that fits best, averaged over seven low frequencies. Few colours and
    straight edges alone give few different coefficients, too, but on any grid: a fit that is half as good on
    shifted grids counts as none. `grey`: float32 [H, W] in 8-bit steps, its corner on the block grid. Source: after
    Fan & de Queiroz 2003, Identification of bitmap compression history.
    """
    found = _fit_of_blocks(grey)
    if found < _FAINTEST:
        return 0.0
    elsewhere = [_fit_of_blocks(grey[down:, across:].contiguous()) for down, across in _SHIFTS]
    beyond = found - sum(elsewhere) / len(elsewhere)
    return found if beyond >= max(_FAINTEST, found / 2) else 0.0


def _fit_of_blocks(grey: Tensor) -> float:
    """How well multiples of a step fit the coefficients of the 8 × 8 blocks from the corner on, 0–1."""
    height, width = (side // 8 for side in grey.shape)
    if height * width < _LEAST:
        return 0.0
    blocks = grey[: height * 8, : width * 8].reshape(height, 8, width * 8)
    waves = _dct_basis()
    coefficients = ((waves @ blocks).view(-1, 8) @ waves.T).view(height, _LOW, width, _LOW)
    # By histogram: each coefficient is counted once instead of compared with 22 steps.
    histograms = torch.bincount(_bins(coefficients).flatten(), minlength=_LOW**2 * _BINS)
    counts = histograms.view(_LOW**2, _BINS)[_MEASURED].float()
    counted, cosines = _comb_weights()
    number = counts @ counted
    fit = counts @ cosines / number.clamp_min(1)
    beyond_noise = torch.where(number >= _LEAST, fit - _NOISE / number.clamp_min(1).sqrt(), 0.0)
    return float(beyond_noise.amax(dim=1).clamp_min(0).mean())


@lru_cache(maxsize=1)
def _dct_basis() -> Tensor:
    """The lowest DCT basis vectors [3, 8], scaled as in ITU-T T.81."""
    place, frequency = torch.arange(8.0), torch.arange(float(_LOW)).unsqueeze(1)
    waves = torch.cos((2 * place + 1) * frequency * math.pi / 16) / 2
    waves[0] /= 2**0.5
    return waves


def _bins(coefficients: Tensor) -> Tensor:
    """Bin indices into the nine histograms, one after the other, of coefficients [rows, 3, columns, 3]."""
    nearest = coefficients.abs().mul_(_BINS_PER_UNIT).add_(0.5).long().clamp_max_(_BINS - 1)
    histogram = torch.arange(_LOW**2).view(_LOW, 1, _LOW)
    return nearest.add_(histogram * _BINS)


@lru_cache(maxsize=1)
def _comb_weights() -> tuple[Tensor, Tensor]:
    """Weight of each histogram bin for each step [bins, steps], and the same times the cosine."""
    in_steps = (torch.arange(_BINS) / _BINS_PER_UNIT).unsqueeze(1) / torch.tensor(_STEPS)
    # The peak around 0 is in every picture and left out. A bin around half a step is half in it.
    counted = torch.heaviside(in_steps - 0.5, torch.tensor(0.5)) * (in_steps < _MULTIPLES)
    return counted, torch.cos(in_steps * (2 * math.pi)) * counted
