"""Where in a picture a linear head's logit comes from, by the head's own arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from ..backbones.base import BackboneSpec
from ..data.filters import blurred
from ..rewards.discriminator.heads import LinearHead
from ..rewards.discriminator.readout import base_statistic, is_response
from ..rewards.discriminator.reward_model import RewardModel
from ..rewards.discriminator.tap_statistics import tap_features

_PIXELS_PER_PLACE = 4
_SMOOTHING = 0.1  # of a side: how far the blur reaches


def head_map(model: RewardModel, image: Tensor) -> Tensor | None:
    """[3, H, W] in 0–1 → [H, W]: what each place adds to the logit, or None where places cannot be told.

    A linear head's logit is a sum over columns, and a column is the mean or the standard deviation of a channel over
    places. Both are means over places: with x the channel, m its mean and s its standard deviation,
    s = mean((x − m)² / s). So the logit is the mean of a map, but for a constant. What comes from no place in
    particular, such as a class token, is spread evenly. It is blurred a little; a border that scoring
    cuts off gets the map's mean.
    """
    spec, readout, head = model.backbone.spec, model.reader.readout, model.layer.head
    if not isinstance(head, LinearHead) or all(tap.pooled for tap in spec.taps if tap.name in readout.taps):
        return None
    (places,) = model.reader.in_batches(
        model.prepare(image).unsqueeze(0), lambda pixels: _places(model, head.weight, pixels)
    )
    places = blurred(places, round(len(places) * _SMOOTHING))
    height, width = image.shape[-2:]
    top, right, bottom, left = model.border_trim.cut_off(image.cpu().float())
    inside = (height - top - bottom, width - left - right)
    whole = torch.full((height, width), float(places.mean()))
    whole[top : height - bottom, left : width - right] = interpolate(
        places[None, None], inside, mode="bilinear", align_corners=False
    )[0, 0]
    return whole


def _places(model: RewardModel, weight: Tensor, pixels: Tensor) -> Tensor:
    spec, readout = model.backbone.spec, model.reader.readout
    size = spec.input_size // _PIXELS_PER_PLACE
    plain = _by_name(spec, tap_features(model.backbone, pixels, readout.taps))
    again = plain
    if look := readout.second_look:
        again = _by_name(spec, tap_features(model.backbone, look.changed(pixels), look.taps))
    total = torch.zeros(size, size)
    for block in readout.blocks(spec):
        own = weight[block.start : block.stop].to(pixels.device)
        added = _on_grid(_added(base_statistic(block), plain[block.tap], own), size)
        if is_response(block):
            added = _on_grid(_added(base_statistic(block), again[block.tap], own), size) - added
        total += added.cpu()
    return total


def _by_name(spec: BackboneSpec, features: Sequence[Tensor]) -> dict[str, Tensor]:
    """Of the first picture, [T_i, D_i] per tap."""
    return {tap.name: feature[0].float() for tap, feature in zip(spec.taps, features, strict=False)}


def _added(statistic: str, tokens: Tensor, weight: Tensor) -> Tensor:
    """[T, D] → [T], whose mean is the statistic times `weight` [D]."""
    if statistic != "std":
        return tokens @ weight
    centred = tokens - tokens.mean(dim=0)
    deviation = centred.square().mean(dim=0).clamp_min(1e-20).sqrt()
    return centred.square() @ (weight / deviation)


def _on_grid(added: Tensor, size: int) -> Tensor:
    """[T] places of a square, row by row → [size, size]; what is no square has no places."""
    side = math.isqrt(len(added))
    if side == 1 or side * side != len(added):
        return added.mean().expand(size, size)
    grid = added.view(1, 1, side, side)
    if side >= size:
        return adaptive_avg_pool2d(grid, size)[0, 0]
    return interpolate(grid, (size, size), mode="bilinear", align_corners=False)[0, 0]
