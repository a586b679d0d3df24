"""Luma (perceived brightness) of RGB images, ITU-R BT.601."""

from __future__ import annotations

import torch
from torch import Tensor

LUMA_WEIGHTS = (0.299, 0.587, 0.114)


def luma(image: Tensor) -> Tensor:
    """[3, H, W] → [1, H, W], in the range and dtype of `image`, a float tensor."""
    weights = torch.tensor(LUMA_WEIGHTS, dtype=image.dtype, device=image.device)
    return (image * weights.view(3, 1, 1)).sum(dim=0, keepdim=True)
