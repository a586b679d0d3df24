"""Diversity of a generator's pictures: mean pairwise distance of their features within each prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_CELLS = 8


def colour_layout(pictures: Sequence[Tensor]) -> Tensor:
    """Features where there is no vision network: mean colours of 8 × 8 cells, [N, 192].

    `pictures`: [H, W, 3] in 0–1, of any sizes. They see layout and colour, not content; after the colour layout
    descriptor of MPEG-7 (Kasutani & Yamada 2001), without its transform.
    """
    cells = [
        F.adaptive_avg_pool2d(picture[..., :3].float().movedim(-1, 0).unsqueeze(0), _CELLS).flatten()
        for picture in pictures
    ]
    return torch.stack(cells).cpu()


def diversity_ratio(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """Mean pairwise distance within prompts after, divided by that before; NaN without two pictures of a prompt.

    Features [N, D], one tensor per prompt; rows with values that are not finite are left out. The distance is the
    standardised Euclidean one: every feature is divided by its standard deviation within prompts before.
    """
    first, second = _finite(before), _finite(after)
    scale = _within_deviation(first)
    distances = [_mean_distance(groups, scale) for groups in (first, second)]
    return distances[1] / distances[0] if distances[0] > 0 else math.nan


def _finite(groups: Sequence[Tensor]) -> list[Tensor]:
    kept = [group.double()[torch.isfinite(group).all(dim=1)] for group in groups]
    return [group for group in kept if len(group) > 1]


def _within_deviation(groups: Sequence[Tensor]) -> Tensor | None:
    """Standard deviation of each feature within prompts; infinite, so that it does not count, where it is constant."""
    if not groups:
        return None
    variance = torch.stack([group.var(dim=0) for group in groups]).mean(dim=0)
    constant = variance <= 1e-12 * variance.max()
    return torch.where(constant, torch.inf, variance.sqrt())


def _mean_distance(groups: Sequence[Tensor], scale: Tensor | None) -> float:
    if not groups or scale is None:
        return math.nan
    return float(torch.stack([torch.pdist(group / scale).mean() for group in groups]).mean())
