"""Heatmap overlay: a logit map as colours over the picture, and the outline of a mask."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.dilation import dilated
from ..utils.progress import ProgressCallback, no_progress
from ..utils.row_bands import row_bands
from .window_map import memory_for_a_map

_STRONG, _WEAK = (0.16, 0.50, 0.95), (0.98, 0.45, 0.05)  # distinct for colour-blind people too
_FULL_COLOUR = 1.0  # logits from the mean
_OPACITY_EXPONENT = 0.75
_MOST_OPAQUE = 0.6
_SATURATION = 0.3
_OUTLINE = 1 / 400  # of the longer side


def overlay(
    image: Tensor, logit_map: Tensor, mask: Tensor, progress: ProgressCallback = no_progress
) -> Tensor:
    """Draw a logit map [H, W] and the outline of a mask [H, W] over a picture [3, H, W] in 0–1 → [3, H, W].

    Orange is below the map's mean, blue above. Full colour is a difference of 1 logit, or the largest one where
    that is more, so that an even map stays pale.
    """
    height, width = logit_map.shape
    with memory_for_a_map(height, width):
        drawn = torch.empty(3, height, width)
        outline = _outline(mask, max(1, round(max(height, width) * _OUTLINE)))
        mean = logit_map.mean()
        most = max(_FULL_COLOUR, float(logit_map.max() - mean), float(mean - logit_map.min()))
        for rows in row_bands(logit_map.shape, progress):
            coloured = _coloured(image[:, rows], (logit_map[rows] - mean) / most)
            drawn[:, rows] = torch.where(outline[rows], torch.ones(()), coloured).clamp_(0, 1)
        return drawn


def _coloured(image: Tensor, strength: Tensor) -> Tensor:
    """[3, H, W] with less saturation, blended with the colours of `strength` [H, W] in −1 … 1."""
    grey = image.mean(dim=0, keepdim=True)
    base = grey + _SATURATION * (image - grey)
    opacity = strength.abs() ** _OPACITY_EXPONENT * _MOST_OPAQUE
    colours = torch.where(
        strength >= 0, torch.tensor(_STRONG).view(3, 1, 1), torch.tensor(_WEAK).view(3, 1, 1)
    )
    return base * (1 - opacity) + colours * opacity


def _outline(mask: Tensor, width: int) -> Tensor:
    """The outline of a mask, bool [H, W]: `width` pixels to either side of its edge."""
    inside = mask > 0.5
    return dilated(inside, width) & dilated(~inside, width)
