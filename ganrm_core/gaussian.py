"""A Gaussian blur of maps and masks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad


def blurred(places: Tensor, reach: int) -> Tensor:
    """[H, W] blurred by a Gaussian that reaches `reach` pixels far: three standard deviations. Edges are repeated."""
    radius = min(reach, *(side - 1 for side in places.shape))
    if radius < 1:
        return places
    offsets = torch.arange(-radius, radius + 1, dtype=places.dtype)
    kernel = torch.exp(-(3 * offsets / reach).square() / 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = pad(places[None, None], (radius,) * 4, mode="replicate")
    return conv2d(conv2d(padded, kernel), kernel.transpose(2, 3))[0, 0]
