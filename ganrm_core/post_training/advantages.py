"""Advantages: how much better each sample of a group is than its group, in units of the round's spread."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_LARGEST = 5.0
_LEAST = 1e-4


def advantages(logits: Sequence[Tensor]) -> list[Tensor]:
    """(r − mean of the group)/(standard deviation of all) of each sample, clipped to ±5; 0 where r is not finite.

    `logits`: the scores of each group, [N] each. One deviation for all groups, since a group's own would blow up the noise
    of groups whose samples are alike (Liu et al. 2025, arXiv 2503.20783, section 3).
    """
    centred = [_centred(each.double()) for each in logits]
    deviation = torch.cat(centred).square().mean().sqrt() if centred else torch.zeros(())
    return [(each / (deviation + _LEAST)).clamp(-_LARGEST, _LARGEST).float() for each in centred]


def optimality(advantage: Tensor) -> Tensor:
    """Advantages in ±5 as probabilities 0–1 that a sample is a good one (DiffusionNFT, arXiv 2509.16117, section 3.2)."""
    return advantage / (2 * _LARGEST) + 0.5


def _centred(logits: Tensor) -> Tensor:
    finite = torch.isfinite(logits)
    if not bool(finite.any()):
        return torch.zeros_like(logits)
    return torch.where(finite, logits - logits[finite].mean(), 0.0)
