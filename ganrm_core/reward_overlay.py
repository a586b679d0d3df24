"""A reward map to look at."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

_STRONG, _WEAK = (0.16, 0.50, 0.95), (0.98, 0.45, 0.05)  # told apart by the colour-blind, too
_FULL = 1.0
_RISE = 0.75
_MOST_OPAQUE = 0.6
_COLOUR_LEFT = 0.3
_LINE = 1 / 400  # of the longer side


def overlay(image: Tensor, places: Tensor, mask: Tensor) -> Tensor:
    """The picture [3, H, W] in 0–1 under its map [H, W], the mask's rim drawn as a line → [3, H, W].

    Orange is weaker than the picture's mean, blue stronger; full colour is 1 in logits, or the strongest
    place where that is more, so that a picture that is even all over stays pale.
    """
    height, width = places.shape
    grey = image.mean(dim=0, keepdim=True)
    base = grey + _COLOUR_LEFT * (image - grey)
    departure = places - places.mean()
    strength = departure / max(_FULL, float(departure.abs().max()))
    opacity = strength.abs() ** _RISE * _MOST_OPAQUE
    colours = torch.where(
        strength >= 0, torch.tensor(_STRONG).view(3, 1, 1), torch.tensor(_WEAK).view(3, 1, 1)
    )
    coloured = base * (1 - opacity) + colours * opacity
    rim = _rim(mask, max(1, round(max(height, width) * _LINE)))
    return torch.where(rim, torch.ones(()), coloured).clamp(0, 1)


def _rim(mask: Tensor, width: int) -> Tensor:
    """Where [H, W] the line lies, `width` pixels to either side of the mask's rim."""
    inside = (mask > 0.5).float()[None, None]
    size = 2 * width + 1
    outer = max_pool2d(inside, size, stride=1, padding=width)
    inner = 1 - max_pool2d(1 - inside, size, stride=1, padding=width)
    return (outer - inner)[0, 0] > 0.5
