"""Data augmentation: random views of a picture, drawn alike for both classes.

After DiffAugment (Zhao et al. 2020, arXiv 2006.10738): colour, translation and cutout, plus crop and flip. The
colour changes are slight, since a colour grade is a legitimate taste.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from .luma import luma
from .transforms import resize


class _Uniform:
    """Uniform draws from a seeded generator."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self._generator))


def views(image: Tensor, count: int, size: int, seed: int) -> Tensor:
    """`count` views [count, 3, size, size] of one picture [3, H, W], both in 0–1; deterministic by `seed`.

    The first is the picture as in scoring, only resized; the others are augmented.
    """
    uniform = _Uniform(seed)
    return torch.stack([resize(image, size), *(_random_view(image, size, uniform) for _ in range(count - 1))])


def _random_view(image: Tensor, size: int, uniform: _Uniform) -> Tensor:
    view = resize(_crop(image, uniform), size)
    if uniform(0, 1) < 0.5:
        view = view.flip(-1)
    view = _translate(_colour(view, uniform), uniform)
    return _cutout(view, uniform) if uniform(0, 1) < 0.5 else view


def _crop(image: Tensor, uniform: _Uniform) -> Tensor:
    height, width = image.shape[-2:]
    area, stretch = uniform(0.5, 1.0), math.exp(uniform(-0.15, 0.15))
    crop_height = max(1, min(height, round(height * math.sqrt(area / stretch))))
    crop_width = max(1, min(width, round(width * math.sqrt(area * stretch))))
    top = int(uniform(0, height - crop_height + 0.999))
    left = int(uniform(0, width - crop_width + 0.999))
    return image[:, top : top + crop_height, left : left + crop_width]


def _colour(view: Tensor, uniform: _Uniform) -> Tensor:
    grey = luma(view)
    view = grey + (view - grey) * uniform(0.9, 1.1)
    return ((view - 0.5) * uniform(0.9, 1.1) + 0.5 + uniform(-0.05, 0.05)).clamp(0, 1)


def _translate(view: Tensor, uniform: _Uniform) -> Tensor:
    size = view.shape[-1]
    margin = size // 16
    # Reflected, since black borders would mark augmented views.
    padded = pad(view.unsqueeze(0), (margin,) * 4, mode="reflect").squeeze(0)
    top, left = int(uniform(0, 2 * margin + 0.999)), int(uniform(0, 2 * margin + 0.999))
    return padded[:, top : top + size, left : left + size]


def _cutout(view: Tensor, uniform: _Uniform) -> Tensor:
    size = view.shape[-1]
    side = int(uniform(size * 0.15, size * 0.35))
    top, left = int(uniform(0, size - side)), int(uniform(0, size - side))
    view = view.clone()
    view[:, top : top + side, left : left + side] = view.mean(dim=(1, 2), keepdim=True)
    return view
