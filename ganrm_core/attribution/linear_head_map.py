"""Class activation map (Zhou et al. 2016) of a linear head over channel means, standard deviations and histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from ..backbones.base import BackboneSpec
from ..data.filters import blurred
from ..rewards.discriminator.heads import LinearHead
from ..rewards.discriminator.pixel_histograms import position_terms, value_maps
from ..rewards.discriminator.readout import base_statistic, is_histogram, is_response
from ..rewards.discriminator.reward_model import RewardModel
from ..rewards.discriminator.tap_statistics import tap_features

_CELL = 4  # pixels of the input per cell of the map
_BLUR = 0.1  # share of a side


def head_map(model: RewardModel, image: Tensor) -> Tensor | None:
    """[3, H, W] in 0–1 → [H, W]: what each pixel adds to the logit, or None for a head that is not linear or sees no grid.

    A linear head's logit is a sum over features, each the mean or standard deviation of a channel over the tokens, or the
    root of a level's share of the pixels. All are means over positions: with x the channel, m its mean and s its standard
    deviation, s = mean((x − m)² / s), and √h = mean(x / √h) where x says whether a pixel counts. So up to a constant the
    logit is the mean of a map. Features without a position, such as a class token, are spread evenly.
    The map is blurred a little; a border that scoring trims gets its mean.
    """
    spec, readout, head = model.backbone.spec, model.reader.readout, model.layer.head
    grid = readout.histograms or any(not tap.pooled for tap in spec.taps if tap.name in readout.taps)
    if not isinstance(head, LinearHead) or not grid:
        return None
    (cells,) = model.reader.in_batches(
        model.prepare(image).unsqueeze(0), lambda pixels: _cells(model, head.weight, pixels)
    )
    cells = blurred(cells, round(len(cells) * _BLUR))
    height, width = image.shape[-2:]
    top, right, bottom, left = model.border_trim.cut_off(image.cpu().float())
    inside = (height - top - bottom, width - left - right)
    whole = torch.full((height, width), float(cells.mean()))
    whole[top : height - bottom, left : width - right] = interpolate(
        cells[None, None], inside, mode="bilinear", align_corners=False
    )[0, 0]
    return whole


def _cells(model: RewardModel, weight: Tensor, pixels: Tensor) -> Tensor:
    """Preprocessed pixels [1, 3, S, S] → [S / 4, S / 4], whose mean is the logit up to a constant."""
    spec, readout = model.backbone.spec, model.reader.readout
    size = spec.input_size // _CELL
    plain = _by_name(spec, tap_features(model.backbone, pixels, readout.taps))
    again = plain
    if second := readout.second_look:
        again = _by_name(spec, tap_features(model.backbone, second.changed(pixels), second.taps))
    counted = value_maps(pixels, readout.histograms)
    total = torch.zeros(size, size)
    for block in readout.blocks(spec):
        own = weight[block.start : block.stop].to(pixels.device)
        if is_histogram(block):
            total += _on_grid(position_terms(counted[block.tap][0], own).flatten(), size).cpu()
            continue
        terms = _on_grid(_token_terms(base_statistic(block), plain[block.tap], own), size)
        if is_response(block):
            terms = _on_grid(_token_terms(base_statistic(block), again[block.tap], own), size) - terms
        total += terms.cpu()
    return total


def _by_name(spec: BackboneSpec, features: Sequence[Tensor]) -> dict[str, Tensor]:
    """The features [T_i, D_i] of the first picture, by tap."""
    return {tap.name: feature[0].float() for tap, feature in zip(spec.taps, features, strict=False)}


def _token_terms(statistic: str, tokens: Tensor, weight: Tensor) -> Tensor:
    """[T, D] → [T], whose mean is the statistic [D] times `weight` [D]."""
    if statistic != "std":
        return tokens @ weight
    centred = tokens - tokens.mean(dim=0)
    deviation = centred.square().mean(dim=0).clamp_min(1e-20).sqrt()
    return centred.square() @ (weight / deviation)


def _on_grid(terms: Tensor, size: int) -> Tensor:
    """[T] tokens of a square grid, row by row → [size, size]; other tokens are spread evenly."""
    side = math.isqrt(len(terms))
    if side == 1 or side * side != len(terms):
        return terms.mean().expand(size, size)
    grid = terms.view(1, 1, side, side)
    if side >= size:
        return adaptive_avg_pool2d(grid, size)[0, 0]
    return interpolate(grid, (size, size), mode="bilinear", align_corners=False)[0, 0]
