"""Levels, budgets and resampling of searches, and both on a toy sampler whose pictures are single numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ganrm_core.selection.steering import (
    FRESH,
    Level,
    check_steps,
    old_noise_weight,
    path_levels,
    path_steps,
    resample,
    resample_steps,
    spread,
)
from ganrm_core.utils.errors import DataError


def test_levels_of_paths() -> None:
    assert path_levels(20, 16, 1) == (
        *(Level(step, 2, 8, step - 2) for step in (5, 7, 9, 11, 13)),
        Level(16, 1, 0, 16),
    )
    assert {(level.survivors, level.forks) for level in path_levels(20, 4, 4)} == {(4, 0)}
    assert {(level.survivors, level.forks) for level in path_levels(20, 1, 1)} == {(1, 0)}


def test_the_steps_of_paths() -> None:
    # 16 to step 5; 8 forks from 3 and 2 survivors to 7, and so on; one to the end.
    assert path_steps(path_levels(20, 16, 1), 20, 16) == 16 * 5 + 4 * (8 * 4 + 2 * 2) + (8 * 5 + 2 * 3) + 4
    assert path_steps(path_levels(20, 5, 5), 20, 5) == 5 * 20


@pytest.mark.parametrize("steps", [4, 5, 6, 8, 10, 20, 28, 50])
def test_paths_take_no_more_than_as_many_pictures(steps: int) -> None:
    for count in range(1, 40):
        for keep in {1, (count + 1) // 2, count}:
            levels = path_levels(steps, count, keep)
            assert path_steps(levels, steps, count) <= steps * count
            assert min(level.survivors for level in levels) >= keep
            assert all(1 <= level.start <= level.step < steps for level in levels)
            assert len({level.step for level in levels}) == len(levels)


def test_few_steps() -> None:
    assert resample_steps(20) == (4, 7, 10, 13)
    assert resample_steps(3) == (1, 2)
    check_steps("best of n", 1)
    for search, steps in (("paths", 3), ("resample", 2)):
        with pytest.raises(DataError, match="at least"):
            check_steps(search, steps)  # type: ignore[arg-type]


def test_a_fork_that_goes_back_gets_just_the_noise_that_is_missing() -> None:
    # A flow: signal 1 − sigma. From .5 back to .8: .2/.5 of the old latent.
    weight = old_noise_weight((0.5, 0.2), (0.5, 0.8))
    assert weight * 0.8 == pytest.approx(0.2 / 0.5 * 0.5)
    # Noise prediction: the signal is always 1, and variances add.
    assert (old_noise_weight((1, 1), (3, 5)) * 5) ** 2 + 4**2 == pytest.approx(5**2)
    assert old_noise_weight((0.5, 0.0), (0.5, 1.0)) == 0
    for there in (0.4, 0.5, 0.500001):
        assert old_noise_weight((0.5, 1 - there), (0.5, there)) == pytest.approx(math.sqrt(1 - FRESH))


def test_even_weights_are_carried() -> None:
    found = resample([0.0, 0.0, 0.0], [0.1, 0.0, 0.1], seed=1, strength=2)
    assert found.copies == (1, 1, 1)
    assert found.log_weights == pytest.approx((0.0, -0.2, 0.0))


def test_uneven_weights_are_resampled_in_proportion() -> None:
    gains = [0.0, 0.0, 0.0, math.log(7)]  # weights .1, .1, .1, .7
    drawn = torch.tensor([resample([0.0] * 4, gains, seed, strength=1).copies for seed in range(400)])
    assert bool((drawn.sum(1) == 4).all())
    assert set(drawn[:, 3].tolist()) == {2, 3}
    torch.testing.assert_close(
        drawn.double().mean(0), torch.tensor([0.4, 0.4, 0.4, 2.8]).double(), rtol=0, atol=0.1
    )
    assert resample([0.0] * 4, gains, 7, strength=1) == resample([0.0] * 4, gains, 7, strength=1)
    # What was carried counts too.
    assert resample([0.0, 0.0, 0.0, 9.0], [0.0] * 4, 3).copies == (0, 0, 0, 4)


def test_what_cannot_be_scored_is_replaced_unless_nothing_can() -> None:
    assert resample([0.0] * 3, [0.0, -math.inf, 0.0], seed=0).copies[1] == 0
    assert resample([0.0] * 2, [-math.inf] * 2, seed=0).copies == (1, 1)


def test_the_spread_of_logits() -> None:
    assert spread([1.0, 3.0, -math.inf]) == 1
    assert spread([2.0, 2.0]) == spread([]) == spread([-math.inf]) == 1
    assert spread([0.0, 0.2]) == pytest.approx(0.1)


STEPS = 20
SIGMAS = torch.linspace(1, 0, STEPS + 1)


def predicted(x: Tensor, sigma: Tensor) -> Tensor:
    """The best prediction of pictures that are standard normal numbers, in a flow."""
    return (1 - sigma) / ((1 - sigma) ** 2 + sigma**2) * x


def advanced(x: Tensor, first: int, last: int) -> tuple[Tensor, Tensor, Tensor]:
    """Euler's steps `first` to `last`: the latents, and picture and noise as predicted in the last of them."""
    for sigma, following in zip(SIGMAS[first:last], SIGMAS[first + 1 : last + 1], strict=True):
        clean = predicted(x, sigma)
        noise = (x - (1 - sigma) * clean) / sigma
        x = (1 - following) * clean + following * noise
    return x, clean, noise


def forked(clean: Tensor, noise: Tensor, after: int, start: int, new: Tensor) -> Tensor:
    """Latents that start after `start` steps."""
    before, then = float(SIGMAS[after - 1]), float(SIGMAS[start])
    old = old_noise_weight((1 - before, 1 - then), (before, then))
    return (1 - then) * clean + then * (old * noise + math.sqrt(1 - old**2) * new)


def test_forks_of_typical_candidates_stay_typical() -> None:
    generator = torch.Generator().manual_seed(0)
    for after, start in ((8, 4), (12, 8)):
        x, new = torch.randn(2, 20_000, generator=generator)
        _, clean, noise = advanced(x, 0, after)
        ended, *_ = advanced(forked(clean, noise, after, start, new), start, STEPS)
        assert float(ended.std()) == pytest.approx(float(advanced(x, 0, STEPS)[0].std()), rel=0.03)


def test_resampling_moves_the_pictures_towards_the_reward() -> None:
    """The reward is the number itself: strength 1 turns N(0, 1) into N(1, 1)."""
    generator = torch.Generator().manual_seed(0)
    x, done, logs, before = torch.randn(4000, generator=generator), 0, [0.0] * 4000, torch.zeros(4000)
    for step in resample_steps(STEPS):
        x, clean, noise = advanced(x, done, step)
        found = resample(logs, (clean - before).tolist(), seed=step, strength=1)
        rows = torch.arange(4000).repeat_interleave(torch.tensor(found.copies))
        first = torch.ones(4000, dtype=torch.bool)
        first[1:] = rows[1:] != rows[:-1]
        new = forked(clean[rows], noise[rows], step, step, torch.randn(4000, generator=generator))
        x, before, logs, done = torch.where(first, x[rows], new), clean[rows], list(found.log_weights), step
    weights = torch.softmax(torch.tensor(logs), 0)
    assert float((weights * advanced(x, done, STEPS)[0]).sum()) == pytest.approx(1, abs=0.35)
