"""The one path from pixels to backbone input, for training and for scoring."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .backbones.base import BackboneSpec

RESIZE = "squash"
"""How a picture becomes square: all of it is seen, its aspect ratio is not kept.

A crop would hide the borders, where hands and feet are; padding would show the aspect ratio, which
says more about a folder than about taste.
"""


def resize(image: Tensor, size: int) -> Tensor:
    """Resize one picture [3, H, W] in 0–1 to [3, size, size], antialiased bicubic, clamped to 0–1."""
    if image.shape[-2:] == (size, size):
        return image
    resized = interpolate(
        image.unsqueeze(0), (size, size), mode="bicubic", antialias=True, align_corners=False
    )
    return resized.squeeze(0).clamp_(0, 1)


def normalise(pixels: Tensor, spec: BackboneSpec) -> Tensor:
    """Bring [..., 3, S, S] in 0–1 into the range the backbone was trained on."""
    mean = torch.tensor(spec.mean, dtype=pixels.dtype, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(spec.std, dtype=pixels.dtype, device=pixels.device).view(3, 1, 1)
    return (pixels - mean) / std


def backbone_input(images: Sequence[Tensor], spec: BackboneSpec) -> Tensor:
    """Pictures [3, H, W] in 0–1, sizes free → normalised [B, 3, S, S].

    Each picture is resized by itself: neighbours of other sizes must not change a bit of it.
    """
    return normalise(torch.stack([resize(image, spec.input_size) for image in images]), spec)
