"""The dense reward: features of places, their discriminator, and both together as the generator learns."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ganrm_core.backbones.base import Backbone
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.post_training.studio import Judged
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.dense_refresh import PATCH_SHARE, DenseFeatures, DenseRefresh
from ganrm_core.training.head_refresh import picture_features
from ganrm_core.training.patch_features import patch_features, patch_tap
from ganrm_core.training.patch_head import PatchDiscriminator
from ganrm_core.training.untrained import untrained_reward
from ganrm_core.utils.errors import DataError

PLACES, CHANNELS = 9, 6


@pytest.fixture(scope="module")
def backbone(tiny_transformer: str) -> Backbone:
    return load_backbone(tiny_transformer)


@pytest.fixture(scope="module")
def model(backbone: Backbone) -> RewardModel:
    return untrained_reward(backbone)


def pictures(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 40, 48, 3, generator=torch.Generator().manual_seed(seed))


def seen(model: RewardModel, count: int, shift: float, seed: int) -> DenseFeatures:
    """Pictures whose features lie around `shift`, one place in three too."""
    random = torch.Generator().manual_seed(seed)
    width = model.reader.readout.width(model.backbone.spec)
    patches = torch.randn(count, PLACES, CHANNELS, generator=random)
    patches[:, ::3] += shift
    return DenseFeatures(shift / 4 + torch.randn(count, width, generator=random), patches)


def judged(known: DenseFeatures) -> Judged:
    return Judged(torch.zeros(len(known.features)), known.features, patches=known.patches)


def test_places_are_the_tokens_whose_mean_the_reward_reads(model: RewardModel) -> None:
    some, spec = pictures(5), model.backbone.spec
    patches = patch_features(model, some)
    block = next(
        each
        for each in model.reader.readout.blocks(spec)
        if (each.tap, each.statistic) == (patch_tap(spec), "mean")
    )
    whole = picture_features(model, some)[:, block.start : block.stop]
    assert patches.shape[0] == 5
    assert patches.shape[1] > 1
    assert torch.allclose(patches.mean(dim=1), whole, atol=1e-5)


def test_a_backbone_without_places_is_refused(backbone: Backbone) -> None:
    spec = replace(backbone.spec, taps=tuple(tap for tap in backbone.spec.taps if tap.pooled))
    with pytest.raises(DataError, match="efficientnet_lite0"):
        patch_tap(spec)


def test_the_discriminator_finds_the_places_that_differ_and_asks_all_of_them(model: RewardModel) -> None:
    references, others = seen(model, 20, 2.0, 1).patches, seen(model, 20, 0.0, 2).patches
    head = PatchDiscriminator(0).fit(references, [others])
    new = seen(model, 20, 2.0, 3).patches
    logits = head(new)
    assert logits[:, ::3].mean() > 1 > 0 > logits[:, 1::3].mean()
    turned = new[:, torch.randperm(PLACES, generator=torch.Generator().manual_seed(0))]
    assert torch.allclose(head.picture_logits(new), head.picture_logits(turned), atol=1e-5)
    changed = new.clone()
    changed[:, -1] += 2
    assert (head.picture_logits(new) != head.picture_logits(changed)).all()


def test_whole_and_places_count_by_their_shares(model: RewardModel) -> None:
    references, first = seen(model, 20, 2.0, 1), seen(model, 30, 0.0, 2)
    parts = []
    for share in (0.0, 1.0, PATCH_SHARE):
        reward = DenseRefresh(model, references, share=share)
        reward.add(judged(first))
        parts.append(reward.logits(judged(first)))
    whole, places, both = parts
    assert float(whole.std()) == pytest.approx(float(places.std()), rel=1e-3)
    assert float(whole.mean()) == pytest.approx(float(places.mean()), abs=1e-3)
    assert torch.allclose(both, 0.7 * whole + 0.3 * places, atol=1e-4)


def test_the_first_pictures_stand_in_for_ordinary_ones(model: RewardModel) -> None:
    references, first = seen(model, 20, 2.0, 1), seen(model, 30, 0.0, 2)
    reward = DenseRefresh(model, references)
    assert reward.logits(judged(first)).tolist() == [0] * 30
    reward.add(judged(first))
    like, unlike = (reward.logits(judged(seen(model, 30, shift, 3))).mean() for shift in (2.0, 0.0))
    assert like > unlike
    assert reward.model is not model


def test_it_follows_a_generator_that_overdoes_it(model: RewardModel) -> None:
    reward = DenseRefresh(model, seen(model, 20, 2.0, 1), seen(model, 30, 0.0, 2), share=1.0)
    right, too_far = judged(seen(model, 30, 2.0, 3)), judged(seen(model, 30, 5.0, 4))
    assert (
        reward.logits(too_far).mean()
        > reward.logits(right).mean()
        > reward.logits(judged(seen(model, 9, 0.0, 9))).mean()
    )
    for seed in (5, 6, 7):
        reward.add(judged(seen(model, 30, 5.0, seed)))
    assert reward.logits(too_far).mean() < reward.logits(right).mean()


@pytest.mark.parametrize("given", [True, False])
def test_it_goes_on_from_its_state(model: RewardModel, given: bool) -> None:
    references, ordinary = seen(model, 20, 2.0, 1), seen(model, 30, 0.0, 2) if given else None
    one, other = (DenseRefresh(model, references, ordinary, seed=3) for _ in range(2))
    for seed in (4, 5):
        one.add(judged(seen(model, 8, 0.5, seed)))
    state = one.state()
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state), "a file holds no tensor twice"
    other.load_state(state)
    for reward in (one, other):
        reward.add(judged(seen(model, 8, 1.0, 6)))
    new = judged(seen(model, 8, 1.0, 7))
    assert torch.equal(one.logits(new), other.logits(new))


def test_spoilt_pictures_teach_nothing_and_have_no_logit(model: RewardModel) -> None:
    references, known = seen(model, 20, 2.0, 1), seen(model, 8, 0.0, 2)
    known.features[0], known.patches[0] = math.nan, math.nan
    reward = DenseRefresh(model, references)
    assert reward.logits(judged(known)).isnan().tolist() == [True] + [False] * 7
    reward.add(judged(known))
    assert reward.logits(judged(known)).isnan().tolist() == [True] + [False] * 7


def test_pictures_without_places_are_refused(model: RewardModel) -> None:
    known = seen(model, 4, 0.0, 2)
    reward = DenseRefresh(model, seen(model, 4, 2.0, 1))
    with pytest.raises(DataError, match="no patches"):
        reward.add(Judged(torch.zeros(4), known.features))
