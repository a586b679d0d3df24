"""Runs a backbone on pixels and pools each tap's tokens to their mean and standard deviation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...backbones.base import Backbone, BackboneSpec, Tap
from .preprocessing import normalise

TapStatistics = dict[tuple[str, str], Tensor]
"""(tap name, statistic) → [B, D] in float32."""


def tap_features(backbone: Backbone, pixels: Tensor, taps: Sequence[str]) -> list[Tensor]:
    """Pictures [B, 3, S, S] in 0–1 → the output of `Backbone.features` up to the deepest of `taps`.

    Pixels are normalised and put into the memory layout of the backbone's execution plan.
    """
    prepared = normalise(pixels, backbone.spec)
    if backbone.plan(pixels.device.type).channels_last:
        prepared = prepared.contiguous(memory_format=torch.channels_last)
    deepest = next(tap.name for tap in reversed(backbone.spec.taps) if tap.name in taps)
    return backbone.features(prepared, deepest)


def tap_statistics(features: Sequence[Tensor], taps: Sequence[str], spec: BackboneSpec) -> TapStatistics:
    """Statistics of `taps` from the output of `Backbone.features`, which may stop at the deepest of them."""
    by_name = {tap.name: feature for tap, feature in zip(spec.taps, features, strict=False)}
    found: TapStatistics = {}
    for tap in taps_by_name(taps, spec):
        tokens = by_name[tap.name].float()
        values = [tokens[:, 0]] if tap.pooled else _mean_and_deviation(tokens)
        found |= {
            (tap.name, statistic): value for statistic, value in zip(statistics_of(tap), values, strict=True)
        }
    return found


def statistics_of(tap: Tap) -> tuple[str, ...]:
    """Names of the statistics of a tap; a pooled tap is a vector already."""
    return ("value",) if tap.pooled else ("mean", "std")


def taps_by_name(names: Sequence[str], spec: BackboneSpec) -> list[Tap]:
    by_name = {tap.name: tap for tap in spec.taps}
    return [by_name[name] for name in names]


def _mean_and_deviation(tokens: Tensor) -> list[Tensor]:
    """[B, T, D] → two [B, D]. torch's own `std` over this dimension takes ten times as long on a CPU."""
    mean = _mean(tokens)
    variance = _mean((tokens - mean).square())
    return [mean[:, 0], variance[:, 0].clamp_min(1e-20).sqrt()]  # the gradient of √0 is NaN


def _mean(tokens: Tensor) -> Tensor:
    """[B, T, D] → [B, 1, D]."""
    if tokens.device.type != "cpu":  # where a matrix product may be rounded to fewer bits
        return tokens.mean(dim=1, keepdim=True)
    count = tokens.shape[1]
    return tokens.new_full((1, 1, count), 1 / count) @ tokens  # takes a third less time than `mean`
