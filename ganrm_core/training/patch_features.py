"""Features of every place of a picture: the tokens of one of the backbone's middle layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..backbones.base import BackboneSpec
from ..rewards.base import Images, Picture, each_of, opened
from ..rewards.discriminator.reward_model import RewardModel
from ..rewards.discriminator.tap_statistics import tap_features
from ..utils.errors import DataError

_DEPTH = 2 / 3


def patch_features(model: RewardModel, images: Images) -> Tensor:
    """Features [N, P, C] of P places of each picture, row by row, as `model`'s backbone sees them, on the CPU."""
    tap = patch_tap(model.backbone.spec)

    def read(some: Sequence[Picture]) -> Tensor:
        pixels = torch.stack([model.prepare(opened(each)) for each in some])
        parts = model.reader.in_batches(pixels, lambda batch: _tokens(model, batch, tap))
        return torch.cat(parts)

    pictures = each_of(images)
    return torch.cat(list(model.reader.in_groups(pictures, read))).clone()


def patch_tap(spec: BackboneSpec) -> str:
    """The layer whose tokens stand for places: at two thirds of the depth.

    Later ones see the whole picture at every place, and convolutional networks have few places there; earlier ones see
    edges and colours alone. Raises DataError where the backbone gives no tokens.
    """
    taps = [tap.name for tap in spec.taps if not tap.pooled]
    if not taps:
        raise DataError(
            f"The backbone {spec.name} sees pictures only as a whole, so patches cannot be told apart. Train the "
            "reward with the backbone efficientnet_lite0, or with a CLIP, SigLIP or DINOv2 vision encoder."
        )
    return taps[max(1, round(len(taps) * _DEPTH)) - 1]


def _tokens(model: RewardModel, pixels: Tensor, tap: str) -> Tensor:
    names = [each.name for each in model.backbone.spec.taps]
    return tap_features(model.backbone, pixels, (tap,))[names.index(tap)].float().cpu()
