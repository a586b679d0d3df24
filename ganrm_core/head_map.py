"""Where in a picture a linear head's logit comes from, by the head's own arithmetic."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pad

from .features import Block, tap_features
from .gaussian import blurred
from .heads import LinearHead
from .pixel_path import border_widths
from .preprocessing import softened
from .reward_model import RewardModel

_PIXELS_PER_PLACE = 4
_SMOOTHING = 0.1  # of a side: how far the blur reaches
_RESPONSE = " response"


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
    top, right, bottom, left = border_widths(image.cpu().float(), model.pixel_path.trim)
    inside = (height - top - bottom, width - left - right)
    whole = interpolate(places[None, None], inside, mode="bilinear", align_corners=False)[0, 0]
    return pad(whole, (left, right, top, bottom), value=float(places.mean())).clone()


def _places(model: RewardModel, weight: Tensor, pixels: Tensor) -> Tensor:
    spec, readout = model.backbone.spec, model.reader.readout
    sharp = tap_features(model.backbone, pixels)
    soft = tap_features(model.backbone, softened(pixels)) if readout.response else sharp
    tokens = {
        tap.name: (a[0].float(), b[0].float()) for tap, a, b in zip(spec.taps, sharp, soft, strict=True)
    }
    total = torch.zeros((spec.input_size // _PIXELS_PER_PLACE,) * 2)
    for block in readout.blocks(spec):
        total += _on_grid(_of_block(block, *tokens[block.tap], weight), len(total))
    return total


def _of_block(block: Block, sharp: Tensor, soft: Tensor, weight: Tensor) -> Tensor:
    """What each place [T] adds through one block's columns."""
    weight = weight[block.start : block.stop].to(sharp)
    statistic = block.statistic.removesuffix(_RESPONSE)
    added = _added(statistic, sharp, weight)
    return (_added(statistic, soft, weight) - added if statistic != block.statistic else added).cpu()


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
