"""Views of a picture that a taste should not depend on, the same for both classes.

After DiffAugment (Zhao et al. 2020, arXiv 2006.10738): colour, translation and cutout, joined by
crop and flip. The colour changes are slight, since a colour grade is a legitimate taste.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from .transforms import resize

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


class _Dice:
    """Uniform draws from a seeded generator."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self._generator))


def views(image: Tensor, count: int, size: int, seed: int) -> Tensor:
    """`count` views [count, 3, size, size] in 0–1 of one picture [3, H, W] in 0–1.

    The first is the picture as scoring sees it; the others are random, the same for the same
    `seed`.
    """
    dice = _Dice(seed)
    return torch.stack([resize(image, size), *(_random_view(image, size, dice) for _ in range(count - 1))])


def _random_view(image: Tensor, size: int, dice: _Dice) -> Tensor:
    view = resize(_crop(image, dice), size)
    if dice(0, 1) < 0.5:
        view = view.flip(-1)
    view = _translate(_colour(view, dice), dice)
    return _cutout(view, dice) if dice(0, 1) < 0.5 else view


def _crop(image: Tensor, dice: _Dice) -> Tensor:
    height, width = image.shape[-2:]
    area, stretch = dice(0.5, 1.0), math.exp(dice(-0.15, 0.15))
    crop_height = max(1, min(height, round(height * math.sqrt(area / stretch))))
    crop_width = max(1, min(width, round(width * math.sqrt(area * stretch))))
    top = int(dice(0, height - crop_height + 0.999))
    left = int(dice(0, width - crop_width + 0.999))
    return image[:, top : top + crop_height, left : left + crop_width]


def _colour(view: Tensor, dice: _Dice) -> Tensor:
    grey = (view * torch.tensor(_LUMA, device=view.device).view(3, 1, 1)).sum(0, keepdim=True)
    view = grey + (view - grey) * dice(0.9, 1.1)
    return ((view - 0.5) * dice(0.9, 1.1) + 0.5 + dice(-0.05, 0.05)).clamp(0, 1)


def _translate(view: Tensor, dice: _Dice) -> Tensor:
    size = view.shape[-1]
    margin = size // 16
    # Mirrored borders: black ones would be a mark that only augmented views carry.
    padded = pad(view.unsqueeze(0), (margin,) * 4, mode="reflect").squeeze(0)
    top, left = int(dice(0, 2 * margin + 0.999)), int(dice(0, 2 * margin + 0.999))
    return padded[:, top : top + size, left : left + size]


def _cutout(view: Tensor, dice: _Dice) -> Tensor:
    size = view.shape[-1]
    side = int(dice(size * 0.15, size * 0.35))
    top, left = int(dice(0, size - side)), int(dice(0, size - side))
    view = view.clone()
    view[:, top : top + side, left : left + side] = view.mean(dim=(1, 2), keepdim=True)
    return view
