"""Whether a picture has been a JPEG, whatever it was saved as since."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_LOW = 3  # frequencies each way
_LOOKED_AT = [1, 2, 3, 4, 5, 6, 7]  # of the 3 × 3, not the mean and not the finest
_STEPS = range(3, 25)  # finer ones drown in the rounding to 8 bits, coarser ones are rare
_FURTHEST = 8  # teeth of the comb that are looked at
_PARTS = 8  # of a unit that coefficients are told apart by: a 24th of the finest step
_BINS = _STEPS[-1] * _FURTHEST * _PARTS + 1
_LEAST = 30  # coefficients that a judgement takes
_SHIFTS = ((4, 4), (4, 0), (0, 4))  # pixels down and across, away from the block grid
_FAINTEST = 0.05  # what drawings that never were a JPEG reach by chance
_NOISE = 1.8  # the highest of 22 means of random cosines, in units of 1 / √count


def jpeg_traces(grey: Tensor) -> float:
    """How clearly the picture's 8 × 8 blocks have been quantised: 0 not at all, 1 perfectly.

    JPEG leaves the cosine coefficients of a block at multiples of its quantisation steps. Measured is
    the mean of cos(2π·coefficient / step) at the step that fits best, averaged over seven low
    frequencies. Scaling or shifting the picture wipes the traces out, so what is found half as clearly on
    shifted grids is none: few colours and straight edges alone leave few different coefficients. `grey`:
    float32 [H, W] in 8-bit steps, its corner on the block grid. Source: after Fan & de Queiroz 2003,
    Identification of bitmap compression history.
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
    waves = _waves()
    coefficients = ((waves @ blocks).view(-1, 8) @ waves.T).view(height, _LOW, width, _LOW)
    # Rounded to eighths they are few kinds of number, so each is counted and not looked at in 22 ways.
    histograms = torch.bincount(_bins(coefficients).flatten(), minlength=_LOW**2 * _BINS)
    looked_at = histograms.view(_LOW**2, _BINS)[_LOOKED_AT].float()
    counted, cosines = _combs()
    number = looked_at @ counted
    fit = looked_at @ cosines / number.clamp_min(1)
    beyond_noise = torch.where(number >= _LEAST, fit - _NOISE / number.clamp_min(1).sqrt(), 0.0)
    return float(beyond_noise.amax(dim=1).clamp_min(0).mean())


@lru_cache(maxsize=1)
def _waves() -> Tensor:
    """The lowest cosine waves [3, 8] of a block, as ITU-T T.81 scales them."""
    place, frequency = torch.arange(8.0), torch.arange(float(_LOW)).unsqueeze(1)
    waves = torch.cos((2 * place + 1) * frequency * math.pi / 16) / 2
    waves[0] /= 2**0.5
    return waves


def _bins(coefficients: Tensor) -> Tensor:
    """In which bin of the nine histograms, one after the other, each of [rows, 3, columns, 3] is counted."""
    nearest = coefficients.abs().mul_(_PARTS).add_(0.5).long().clamp_max_(_BINS - 1)
    histogram = torch.arange(_LOW**2).view(_LOW, 1, _LOW)
    return nearest.add_(histogram * _BINS)


@lru_cache(maxsize=1)
def _combs() -> tuple[Tensor, Tensor]:
    """For each bin and step [bins, steps]: how much of it counts, and the cosine times that."""
    in_steps = (torch.arange(_BINS) / _PARTS).unsqueeze(1) / torch.tensor(_STEPS)
    # The heap around 0 is there in every picture. A bin around half a step lies half in it.
    counted = torch.heaviside(in_steps - 0.5, torch.tensor(0.5)) * (in_steps < _FURTHEST)
    return counted, torch.cos(in_steps * (2 * math.pi)) * counted
