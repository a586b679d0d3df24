"""Diversity within prompts, and the features for rewards that have none."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ganrm_core.post_training.diversity import colour_layout, diversity_ratio


def groups(spread: float, seed: int = 0) -> list[Tensor]:
    """Three prompts far apart, eight pictures each."""
    random = torch.Generator().manual_seed(seed)
    return [100.0 * prompt + spread * torch.randn(8, 20, generator=random) for prompt in range(3)]


def test_it_is_the_ratio_of_spreads_within_prompts() -> None:
    assert diversity_ratio(groups(1), groups(0.5)) == pytest.approx(0.5)
    assert diversity_ratio(groups(1), groups(1)) == 1


def test_a_feature_with_large_numbers_does_not_decide_alone() -> None:
    before, after = groups(1), groups(0.5)
    for one, other in zip(before, after, strict=True):
        other[:, 0] = one[:, 0]
        one[:, 0], other[:, 0] = one[:, 0] * 1e4, other[:, 0] * 1e4
    assert 0.5 < diversity_ratio(before, after) < 0.65


def test_constant_features_and_spoilt_pictures_do_not_count() -> None:
    before, after = groups(1), groups(0.5)
    for group in (*before, *after):
        group[:, 3] = 7.0
    before[0] = torch.cat([before[0], torch.full((1, 20), torch.nan)])
    after[1] = torch.cat([after[1], torch.full((1, 20), torch.nan)])
    assert diversity_ratio(before, after) == pytest.approx(0.5)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_pictures_of_a_prompt_have_none(count: int) -> None:
    few = [group[:count] for group in groups(1)]
    assert math.isnan(diversity_ratio(few, groups(1)))
    assert math.isnan(diversity_ratio(groups(1), few))


def test_colour_layout_sees_where_which_colour_is() -> None:
    left = torch.zeros(32, 48, 3)
    left[:, :24, 0] = 1.0
    features = colour_layout([left, left.flip(1), torch.zeros(9, 9, 4)])
    assert features.shape == (3, 192)
    assert not torch.equal(features[0], features[1])
    assert features[0].view(3, 8, 8)[0, :, :4].eq(1).all()
    assert features[2].eq(0).all()
