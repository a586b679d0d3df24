"""A reward's head refitted as its generator learns, and how much of a score stays the first reward's."""

from __future__ import annotations

import pytest
import torch

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.post_training.studio import Judged
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.head_refresh import FIRST_SHARE, HeadRefresh
from ganrm_core.training.untrained import untrained_reward


@pytest.fixture(scope="module")
def model(tiny_transformer: str) -> RewardModel:
    """A reward that likes what lies around 2."""
    untrained = untrained_reward(load_backbone(tiny_transformer))
    refresh = HeadRefresh(
        untrained, seen(untrained, 30, 2.0, 1).features, seen(untrained, 30, 0.0, 2).features
    )
    refresh.add(seen(untrained, 8, 0.0, 3))
    return refresh.model


def seen(model: RewardModel, count: int, shift: float, seed: int) -> Judged:
    width = model.reader.readout.width(model.backbone.spec)
    features = shift / 4 + torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return Judged(torch.zeros(count), features)


def refreshed(model: RewardModel, first_share: float = FIRST_SHARE) -> HeadRefresh:
    """One whose generator has gone too far, round after round."""
    refresh = HeadRefresh(
        model, seen(model, 30, 2.0, 1).features, seen(model, 30, 0.0, 2).features, 5, first_share
    )
    for seed in (3, 4, 5):
        refresh.add(seen(model, 30, 5.0, seed))
    return refresh


def test_the_newest_reward_sees_through_what_the_first_one_likes(model: RewardModel) -> None:
    refresh, liked, too_far = refreshed(model), seen(model, 30, 2.0, 6), seen(model, 30, 5.0, 7)
    first_likes, first_overdone = (
        model.score_features(each.features).logit.mean() for each in (liked, too_far)
    )
    assert first_overdone > first_likes
    assert refresh.newest(too_far).mean() < refresh.newest(liked).mean()
    assert refresh.model is not model
    assert refresh.model.card["provenance"]["refreshed"] == 3


@pytest.mark.parametrize("share", [0.0, FIRST_SHARE, 1.0])
def test_a_share_of_a_logit_is_the_first_rewards(model: RewardModel, share: float) -> None:
    refresh, known = refreshed(model, share), seen(model, 9, 1.0, 8)
    expected = share * model.score_features(known.features).logit + (1 - share) * refresh.newest(known)
    assert torch.allclose(refresh.logits(known), expected)


def test_it_goes_on_from_its_state(model: RewardModel) -> None:
    one, known = refreshed(model), seen(model, 9, 1.0, 8)
    other = HeadRefresh(model, seen(model, 30, 2.0, 1).features, seen(model, 30, 0.0, 2).features, 5)
    other.load_state(one.state())
    assert torch.equal(one.logits(known), other.logits(known))
    assert not torch.equal(one.logits(known), HeadRefresh.logits(refreshed(model, 1.0), known))
