"""DiffusionNFT: advantages, the loss, the lagged copy, and rounds of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from unit_support.toy_generator import LEVELS, ToyDenoiser, make_groups

from ganrm_core.post_training.advantages import advantages, optimality
from ganrm_core.post_training.groups import Groups
from ganrm_core.post_training.lagged_copy import LaggedCopy
from ganrm_core.post_training.losses import nft_losses
from ganrm_core.post_training.nft_trainer import NftSettings, NftTrainer
from ganrm_core.post_training.scalings import Scalings
from ganrm_core.post_training.stochastic_steps import log_probability, step_distribution
from ganrm_core.utils.errors import DataError


def test_advantages_are_centred_in_each_group_and_scaled_over_all() -> None:
    found = advantages([torch.tensor([1.0, 3.0]), torch.tensor([10.0, 10.0, math.nan])])
    assert torch.allclose(torch.cat(found), torch.tensor([-1.0, 1, 0, 0, 0]) * math.sqrt(5 / 2), atol=1e-3)
    (extreme,) = advantages([torch.tensor([0.0] * 99 + [1.0])])
    assert float(extreme.max()) == 5
    assert optimality(torch.tensor([-5.0, 0.0, 5.0])).tolist() == [0, 0.5, 1]
    assert advantages([]) == []


def test_the_loss_pulls_to_good_samples_and_away_from_bad_ones() -> None:
    lagged, clean = torch.zeros(3, 4, 1, 1), torch.ones(3, 4, 1, 1)
    denoised = lagged.clone().requires_grad_()
    nft_losses(denoised, lagged, clean, torch.tensor([1.0, 0.5, 0.0]), 1.0).sum().backward()
    assert denoised.grad is not None
    pull = -denoised.grad.flatten(1).sum(1)
    assert pull[0] > 0 > pull[2]
    assert pull[1] == pytest.approx(0)


@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_gradients_of_the_loss_are_those_of_finite_differences(beta: float) -> None:
    generator = torch.Generator().manual_seed(0)
    denoised, lagged, clean = (torch.randn(2, 4, 1, 1, generator=generator).double() for _ in range(3))
    good, direction = torch.tensor([0.9, 0.2]).double(), torch.randn(2, 4, 1, 1, generator=generator).double()

    def weight(sign: int) -> Tensor:
        return (lagged + sign * beta * (denoised - lagged) - clean).flatten(1).abs().mean(1)

    weights = {sign: weight(sign) for sign in (1, -1)}  # they have no gradient

    def loss(at: Tensor) -> Tensor:
        errors = {
            sign: (lagged + sign * beta * (at - lagged) - clean).square().flatten(1).mean(1) / weights[sign]
            for sign in (1, -1)
        }
        return (5 / beta * (good * errors[1] + (1 - good) * errors[-1])).sum()

    at = denoised.clone().requires_grad_()
    found = nft_losses(at, lagged, clean, good, beta).sum()
    found.backward()
    assert at.grad is not None
    assert float(found) == pytest.approx(float(loss(denoised)))
    step = 1e-5
    expected = (loss(denoised + step * direction) - loss(denoised - step * direction)) / (2 * step)
    assert float((at.grad * direction).sum()) == pytest.approx(float(expected), rel=1e-5)


def test_the_lagged_copy_follows_and_swaps_in() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    lagged = LaggedCopy([parameter])
    parameter.data += 1
    with lagged.in_place():
        assert parameter.tolist() == [0, 0]
    assert parameter.tolist() == [1, 1]
    lagged.follow(10)
    assert lagged.values[0].tolist() == pytest.approx([0.8, 0.8])
    lagged.follow(1000)
    assert lagged.values[0].tolist() == pytest.approx([0.9, 0.9])


def latents_of(groups: Groups) -> object:
    return lambda places: torch.stack([groups.groups[group].latents[sample] for group, sample in places])


def generated(denoiser: ToyDenoiser, number: int) -> Groups:
    """A round of the denoiser's own samples; the reward is their first value."""
    made = make_groups()
    groups = []
    for place, group in enumerate(made.groups):
        latents = denoiser.generated(len(group), group.prompt, seed=1000 * number + place)[..., None, None]
        groups.append(replace(group, latents=latents, logits=latents[:, 0, 0, 0]))
    return replace(made, groups=tuple(groups))


def trained(settings: NftSettings, rounds: int, anchor: Anchor | None = None) -> ToyDenoiser:
    denoiser = ToyDenoiser()
    trainer = NftTrainer(denoiser, LEVELS, settings, anchor)
    for number in range(rounds):
        groups = generated(denoiser, number)
        losses = trainer.learn(groups, latents_of(groups))  # type: ignore[arg-type]
        assert math.isfinite(losses.nft)
    return denoiser


SETTINGS = NftSettings(learning_rate=0.05, micro_batch=16)


def test_rounds_move_the_samples_to_what_the_reward_likes() -> None:
    denoiser = trained(SETTINGS, 10)
    moved = (denoiser.generated(256, 0) - ToyDenoiser().generated(256, 0)).mean(0).flatten()
    assert moved[0] > 0.5
    assert moved[0] > 2 * moved[1:].abs().max()


def test_an_anchor_holds_back() -> None:
    references = ToyDenoiser().generated(64, 0, seed=9)[..., None, None]
    held = trained(replace(SETTINGS, anchor=20.0), 10, Anchor(references, [0] * 32 + [None] * 32))
    free, base = trained(SETTINGS, 10).generated(256, 0), ToyDenoiser().generated(256, 0)
    assert (held.generated(256, 0) - base).mean(0)[0] < 0.7 * (free - base).mean(0)[0]


def test_the_same_seed_gives_the_same_lora() -> None:
    first, again, other = (trained(replace(SETTINGS, seed=seed), 1) for seed in (0, 0, 1))
    assert torch.equal(first.bias, again.bias)
    assert not torch.equal(first.bias, other.bias)


def test_a_loss_that_is_no_number_ends_the_round_before_the_weights_change() -> None:
    denoiser = ToyDenoiser(broken_after=0)
    groups = make_groups()
    with pytest.raises(DataError, match="lower learning rate"):
        NftTrainer(denoiser, LEVELS, SETTINGS).learn(groups, latents_of(groups))  # type: ignore[arg-type]
    assert not denoiser.bias.any()


@pytest.mark.parametrize("scale", [(0.3, 0.7, 0.5, 0.5), (1.0, 4.0, 1.0, 2.0)])
def test_a_stochastic_step_has_the_noise_of_its_level_and_is_eulers_without(scale: Sequence[float]) -> None:
    values = [torch.tensor([value]) for value in scale]
    now, then = Scalings(values[0], values[1]), Scalings(values[2], values[3])
    clean, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    noisy = scale[0] * clean + scale[1] * noise
    mean, deviation = step_distribution(noisy, clean, now, then, 0.0)
    assert torch.allclose(mean, scale[2] * clean + scale[3] * noise, atol=1e-5)
    assert float(deviation) == 0
    mean, deviation = step_distribution(noisy, clean, now, then, 0.6)
    kept = (mean - scale[2] * clean) / noise
    assert float(kept.square().mean() + deviation.square()) == pytest.approx(scale[3] ** 2, rel=1e-4)
    sample = mean + deviation * 0.5
    assert float(log_probability(sample, mean, deviation)) == pytest.approx(-0.125, rel=1e-4)
