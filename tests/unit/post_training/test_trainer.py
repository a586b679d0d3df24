"""The training loop on a toy generator: what it learns, and that nothing good is lost when something goes wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
import torch
from unit_support.toy_generator import LEVELS, ToyDenoiser, make_groups

from ganrm_core.post_training.choices import choose
from ganrm_core.post_training.config import LEARNING_RATES, GroupTraining
from ganrm_core.post_training.losses import denoising_errors
from ganrm_core.post_training.scalings import scalings
from ganrm_core.post_training.trainer import GroupTrainer
from ganrm_core.post_training.training_trace import TrainingTrace
from ganrm_core.post_training.watch import Limits
from ganrm_core.utils.errors import DataError

GROUPS = make_groups()
NO_LIMITS = Limits(*[math.inf] * 4)


def latents(places: Any) -> torch.Tensor:
    return torch.stack([GROUPS.groups[group].latents[sample] for group, sample in places])


def trainer(denoiser: ToyDenoiser, groups: Any = GROUPS, **settings: Any) -> GroupTrainer:
    wanted = GroupTraining(**{"steps": 40, "learning_rate": 0.05, "beta": 2.0, **settings})
    choice = choose(groups, wanted.keep, wanted.method == "pairs")
    return GroupTrainer(denoiser, choice, latents, LEVELS, wanted)


def trained(
    denoiser: ToyDenoiser | None = None,
    observe: Callable[[TrainingTrace], None] = lambda _: None,
    limits: Limits = NO_LIMITS,
    **settings: Any,
) -> tuple[ToyDenoiser, TrainingTrace]:
    denoiser = denoiser or ToyDenoiser()
    return denoiser, trainer(denoiser, **settings).run(observe, limits)


@lru_cache(maxsize=4)
def finished(method: Any, mu: float = -1.0) -> tuple[ToyDenoiser, TrainingTrace]:
    return trained(method=method, mu=mu)


def held_out(trace: TrainingTrace) -> float:
    """The last held-out error in proportion to the first."""
    seen = trace.steps[-1].held_out
    assert seen is not None
    return seen.ratio


@pytest.mark.parametrize("method", ["best", "pairs"])
def test_generated_points_move_to_what_the_reward_likes(method: Any) -> None:
    denoiser, trace = finished(method)
    for prompt in (0, 1):
        moved = (denoiser.generated(256, prompt) - ToyDenoiser().generated(256, prompt)).mean(0)
        assert moved[0] > 0.5
        assert moved[0] > 1.4 * moved[1:].abs().max(), "and not where it does not care"
    assert (len(trace.steps), trace.stopped, trace.kept) == (40, "", 40)


def test_pairs_raise_the_chosen_over_the_rejected() -> None:
    denoiser, trace = finished("pairs")
    assert trace.losses[0] == pytest.approx(math.log(2), abs=1e-5)
    assert sum(trace.losses[-5:]) / 5 < 0.5
    sigma, noise = torch.full((8,), 0.5), torch.randn(8, 4, 1, 1, generator=torch.Generator().manual_seed(1))
    scale, ahead = scalings(denoiser.sampling, sigma), []
    for group in GROUPS.groups:
        noisy = denoiser.sampling.noise_scaling(sigma, noise, group.latents)
        with torch.no_grad():
            errors = denoising_errors(denoiser.denoise(noisy, sigma, group.prompt), group.latents, scale)
        gains = errors - denoising_errors(
            denoiser.reference(noisy, sigma, group.prompt), group.latents, scale
        )
        ranking = group.ranking()
        ahead.append(float(gains[ranking[-1]] - gains[ranking[0]]))
    assert sum(gain > 0 for gain in ahead) > 0.75 * len(ahead)


def test_the_safeguard_keeps_the_chosen_error_from_rising_where_plain_dpo_lets_it_rise() -> None:
    plain, safeguarded = (held_out(finished("pairs", mu=mu)[1]) for mu in (-1.0, 0.9))
    assert plain > 1.15
    assert safeguarded - 1 < 0.6 * (plain - 1)


@pytest.mark.parametrize("method", ["best", "pairs"])
def test_the_same_seed_gives_the_same_lora(method: Any) -> None:
    first, again, other = (trained(method=method, steps=4, seed=seed)[0] for seed in (3, 3, 4))
    assert first.weight.equal(again.weight)
    assert first.bias.equal(again.bias)
    assert not first.weight.equal(other.weight)


def test_a_learning_rate_of_zero_is_the_methods_own() -> None:
    default, said = (trained(steps=2, learning_rate=rate)[0] for rate in (0.0, LEARNING_RATES["best"]))
    assert default.weight.equal(said.weight)


class TestStops:
    @staticmethod
    def states(denoiser: ToyDenoiser, into: dict[int, Any]) -> Callable[[TrainingTrace], None]:
        into[0] = denoiser.weight.detach().clone()

        def observe(trace: TrainingTrace) -> None:
            into[trace.steps[-1].number] = denoiser.weight.detach().clone()

        return observe

    @pytest.mark.parametrize("count", [16, 4])  # with groups held out, and with too few for that
    @pytest.mark.parametrize("calls", [1, 60])
    def test_no_number_puts_the_last_good_weights_back(self, count: int, calls: int) -> None:
        denoiser, seen = ToyDenoiser(broken_after=calls), dict[int, Any]()
        loop = trainer(denoiser, make_groups(count))
        trace = loop.run(self.states(denoiser, seen), NO_LIMITS)
        assert trace.stopped
        assert denoiser.weight.equal(seen[trace.kept])
        assert bool(denoiser.weight.isfinite().all())
        assert trace.kept == max(0, trace.kept) <= len(trace.steps) < 40
        assert (trace.kept > 0) == (calls > 1)

    def test_a_held_out_error_beyond_the_limit_puts_the_last_good_weights_back(self) -> None:
        denoiser, seen = ToyDenoiser(), dict[int, Any]()
        limits = Limits(warn=1.02, warn_low_noise=math.inf, stop=1.1, stop_low_noise=math.inf)
        trace = trained(denoiser, self.states(denoiser, seen), limits, method="pairs", mu=-1.0)[1]
        assert (trace.stopped, trace.warned) == ("held-out error", True)
        assert 0 < trace.kept < len(trace.steps) < 40
        assert denoiser.weight.equal(seen[trace.kept])
        assert held_out(trace) > 1.1

    def test_what_the_observer_raises_passes_through_within_a_step(self) -> None:
        class CancelError(Exception):
            pass

        seen: list[int] = []

        def cancel(trace: TrainingTrace) -> None:
            seen.append(len(trace.steps))
            if len(trace.steps) == 3:
                raise CancelError

        with pytest.raises(CancelError):
            trained(observe=cancel)
        assert seen == [1, 2, 3]


class TestMemory:
    @pytest.mark.parametrize("method", ["best", "pairs"])
    def test_smaller_micro_batches_give_the_same_lora(self, method: Any) -> None:
        whole = trained(method=method, steps=4)[0]
        denoiser = ToyDenoiser(most=1)
        loop = trainer(denoiser, method=method, steps=4)
        loop.run(lambda _: None, NO_LIMITS)
        assert loop.micro_batch == 1
        torch.testing.assert_close(denoiser.weight, whole.weight, rtol=1e-3, atol=1e-5)

    def test_without_room_for_a_single_sample_it_fails(self) -> None:
        with pytest.raises(RuntimeError, match="out of memory"):
            trained(ToyDenoiser(most=0))


def test_nothing_left_to_train_on() -> None:
    with pytest.raises(DataError, match="same score"):
        trainer(ToyDenoiser(), make_groups(2, size=1))
