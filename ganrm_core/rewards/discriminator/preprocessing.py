"""Resizing and normalisation of pictures for a backbone, the same in training and scoring."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...backbones.base import BackboneSpec
from ...data.transforms import resize


def normalise(pixels: Tensor, spec: BackboneSpec) -> Tensor:
    """[..., 3, S, S] in 0–1 → zero mean and unit variance by the backbone's training statistics."""
    mean = torch.tensor(spec.mean, dtype=pixels.dtype, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(spec.std, dtype=pixels.dtype, device=pixels.device).view(3, 1, 1)
    return (pixels - mean) / std


def backbone_input(images: Sequence[Tensor], spec: BackboneSpec) -> Tensor:
    """Pictures [3, H, W] in 0–1, sizes free → normalised [B, 3, S, S].

    Each picture is resized on its own, so that no bit of it depends on its neighbours' sizes.
    """
    return normalise(torch.stack([resize(image, spec.input_size) for image in images]), spec)
