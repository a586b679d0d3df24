"""The one path from pixels to backbone input, for training and for scoring."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...backbones.base import BackboneSpec
from ...data.transforms import resize


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
