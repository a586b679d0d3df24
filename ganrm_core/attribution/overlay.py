"""A reward map to look at."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.dilation import dilated
from ..utils.progress import ProgressCallback, no_progress
from ..utils.row_bands import row_bands
from .window_map import memory_for_a_map

_STRONG, _WEAK = (0.16, 0.50, 0.95), (0.98, 0.45, 0.05)  # told apart by the colour-blind, too
_FULL = 1.0
_RISE = 0.75
_MOST_OPAQUE = 0.6
_COLOUR_LEFT = 0.3
_LINE = 1 / 400  # of the longer side


def overlay(image: Tensor, places: Tensor, mask: Tensor, progress: ProgressCallback = no_progress) -> Tensor:
    """The picture [3, H, W] in 0–1 under its map [H, W], the mask's rim drawn as a line → [3, H, W].

    Orange is weaker than the picture's mean, blue stronger; full colour is 1 in logits, or the strongest
    place where that is more, so that a picture that is even all over stays pale.
    """
    height, width = places.shape
    with memory_for_a_map(height, width):
        drawn = torch.empty(3, height, width)
        rim = _rim(mask, max(1, round(max(height, width) * _LINE)))
        mean = places.mean()
        most = max(_FULL, float(places.max() - mean), float(mean - places.min()))
        for rows in row_bands(places.shape, progress):
            coloured = _coloured(image[:, rows], (places[rows] - mean) / most)
            drawn[:, rows] = torch.where(rim[rows], torch.ones(()), coloured).clamp_(0, 1)
        return drawn


def _coloured(image: Tensor, strength: Tensor) -> Tensor:
    """[3, H, W], paler, under the colours of `strength` [H, W] from −1 to 1."""
    grey = image.mean(dim=0, keepdim=True)
    base = grey + _COLOUR_LEFT * (image - grey)
    opacity = strength.abs() ** _RISE * _MOST_OPAQUE
    colours = torch.where(
        strength >= 0, torch.tensor(_STRONG).view(3, 1, 1), torch.tensor(_WEAK).view(3, 1, 1)
    )
    return base * (1 - opacity) + colours * opacity


def _rim(mask: Tensor, width: int) -> Tensor:
    """Where, bool [H, W], the line lies: `width` pixels to either side of the mask's rim."""
    inside = mask > 0.5
    return dilated(inside, width) & dilated(~inside, width)
