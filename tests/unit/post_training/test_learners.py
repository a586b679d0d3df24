"""Learners of a training in rounds, DiffusionNFT and Flow-GRPO: advantages, losses, the lagged copy, rounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from unit_support.toy_generator import CHANNELS, LEVELS, ToyDenoiser

from ganrm_core.post_training.advantages import advantages, optimality
from ganrm_core.post_training.anchor import Anchor, References
from ganrm_core.post_training.grpo_trainer import GrpoSettings, GrpoTrainer
from ganrm_core.post_training.lagged_copy import LaggedCopy, kept_after
from ganrm_core.post_training.learner import Learner, RoundGroup
from ganrm_core.post_training.losses import clipped_policy_losses, nft_losses
from ganrm_core.post_training.nft_trainer import NftSettings, NftTrainer, Sample
from ganrm_core.post_training.scalings import Scalings
from ganrm_core.post_training.stochastic_steps import guarded_log_ratio, log_probability, step_distribution
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
    assert float(found.detach()) == pytest.approx(float(loss(denoised).detach()))
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
    lagged.follow(kept_after(10))
    assert lagged.values[0].tolist() == pytest.approx([0.8, 0.8])
    lagged.follow(kept_after(1000))
    assert lagged.values[0].tolist() == pytest.approx([0.9, 0.9])


def first_value(latents: Tensor) -> Tensor:
    """The reward."""
    return latents[:, 0, 0, 0]


def sampler(denoiser: ToyDenoiser) -> Sample:
    return lambda prompt, seeds: denoiser.generated(len(seeds), prompt, seed=seeds[0])[..., None, None]


def nft(denoiser: ToyDenoiser, settings: NftSettings, anchor: Anchor | None = None) -> NftTrainer:
    return NftTrainer(denoiser, LEVELS, settings, sampler(denoiser), anchor)


def grpo(denoiser: ToyDenoiser, settings: GrpoSettings) -> GrpoTrainer:
    return GrpoTrainer(denoiser, LEVELS, settings, (CHANNELS, 1, 1))


def learn(learner: Learner, rounds: int, size: int = 32, first: int = 0) -> None:
    for number in range(first, first + rounds):
        groups = []
        for prompt in (0, 1):
            latents = learner.sample(
                prompt, range(1000 * (2 * number + prompt), 1000 * (2 * number + prompt) + size)
            )
            groups.append(RoundGroup(prompt, latents, first_value(latents)))
        losses = learner.learn(groups)
        assert all(map(math.isfinite, (losses.loss, losses.anchor, losses.contrast)))


def moved(denoiser: ToyDenoiser) -> Tensor:
    """By how much the generator's mean has moved, [CHANNELS]."""
    return (denoiser.generated(256, 0) - ToyDenoiser().generated(256, 0)).mean(0)


NFT = NftSettings(learning_rate=0.05, micro_batch=16)
GRPO = GrpoSettings(learning_rate=0.05, micro_batch=16)
LEARNERS: dict[str, Callable[[ToyDenoiser], Learner]] = {
    "nft": lambda denoiser: nft(denoiser, NFT),
    "grpo": lambda denoiser: grpo(denoiser, GRPO),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_rounds_move_the_samples_to_what_the_reward_likes(name: str) -> None:
    denoiser = ToyDenoiser()
    learn(LEARNERS[name](denoiser), 10)
    change = moved(denoiser)
    assert change[0] > 0.4
    assert change[0] > 2 * change[1:].abs().max()


@pytest.mark.parametrize("name", LEARNERS)
def test_it_goes_on_from_its_state_as_if_it_had_never_stopped(name: str) -> None:
    through, stopped, after = ToyDenoiser(), ToyDenoiser(), ToyDenoiser()
    learn(LEARNERS[name](through), 4)
    first = LEARNERS[name](stopped)
    learn(first, 2)
    second = LEARNERS[name](after)
    second.load_state(first.state())
    learn(second, 2, first=2)
    assert torch.equal(through.bias, after.bias)
    assert torch.equal(through.weight, after.weight)


@pytest.mark.parametrize("name", LEARNERS)
def test_memory_that_runs_out_halves_what_goes_through_together(name: str) -> None:
    roomy, tight = ToyDenoiser(), ToyDenoiser(most=4)
    for denoiser in (roomy, tight):
        learner = LEARNERS[name](denoiser)
        if isinstance(learner, NftTrainer):
            learner.sample = sampler(ToyDenoiser())
        learn(learner, 1)
    assert torch.allclose(roomy.bias, tight.bias, atol=1e-5 if name == "nft" else 0.2)


def test_an_anchor_holds_back() -> None:
    held, free = ToyDenoiser(), ToyDenoiser()
    references = References(ToyDenoiser().generated(64, 0, seed=9)[..., None, None], [0] * 64)
    learn(nft(held, NFT, Anchor(held, references, LEVELS, 20.0)), 10)
    learn(nft(free, NFT), 10)
    assert moved(held)[0] < 0.7 * moved(free)[0]


@pytest.mark.parametrize("name", LEARNERS)
def test_a_loss_that_is_no_number_ends_the_round_before_the_weights_change(name: str) -> None:
    denoiser = ToyDenoiser()
    learner = LEARNERS[name](denoiser)
    latents = [learner.sample(prompt, range(8)) for prompt in (0, 1)]
    denoiser.broken_after = denoiser.calls
    groups = [RoundGroup(prompt, each, first_value(each)) for prompt, each in enumerate(latents)]
    with pytest.raises(DataError, match="lower learning rate"):
        learner.learn(groups)
    assert not denoiser.bias.any()


def test_a_ratio_of_equal_policies_is_one_and_its_gradient_follows_the_noise() -> None:
    noise, deviation = (
        torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(0)),
        torch.full((3,), 0.5),
    )
    mean = torch.zeros(3, 4, 2, 2, requires_grad=True)
    ratio = guarded_log_ratio(mean.detach() + 0.5 * noise, mean, mean.detach(), deviation)
    assert torch.equal(ratio.detach(), torch.zeros(3))
    clipped_policy_losses(ratio, torch.tensor([1.0, 0.0, -1.0]), 1e-4).sum().backward()
    assert mean.grad is not None
    assert torch.allclose(mean.grad[0], -noise[0] / 16, atol=1e-6)
    assert not mean.grad[1].any()
    assert torch.allclose(mean.grad[2], noise[2] / 16, atol=1e-6)
    far = guarded_log_ratio(mean.detach() + 0.5 * noise, mean + 0.1 * noise, mean.detach(), deviation)
    assert torch.allclose(far, 0.1 * noise.square().flatten(1).mean(1), atol=1e-6)
    assert float(clipped_policy_losses(far.detach(), torch.ones(3), 1e-4).mean()) == pytest.approx(-1.0001)


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
