"""Search that steers: the budget of a sampling run goes where the reward is high, and new noise is tried from there.

Both ways fork half-sampled candidates: the fork starts from what the model predicts of its parent, with noise that is
partly the parent's and partly new. "paths" (Search over Paths: Ma et al. 2025, arXiv 2501.09732; with a reward as in
RewardDance, arXiv 2509.08826) goes back some steps for it, so more is decided anew, at the cost of those steps. In
"resample" (Feynman-Kac steering: Singhal et al. 2025, arXiv 2501.06848) forks go on at the same step, which costs
nothing, and take the places of candidates with low weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from ..utils.errors import DataError

Search = Literal["best of n", "paths", "resample"]
SEARCHES: tuple[Search, ...] = get_args(Search)
FRESH = 0.5
"""The share of new noise, by variance, in a fork that goes on at the same step."""

_FEWEST_STEPS = {"best of n": 1, "paths": 7, "resample": 3}
_PATHS = ((0.4, 1 / 4, 2, 0.2), (0.6, 1 / 4, 2, 0.4), (0.8, 1 / 8, 0, 0.8))
_RESAMPLE_AT = (0.2, 0.4, 0.6)
_STRENGTH = 2.0
_ENOUGH = 0.5


@dataclass(frozen=True)
class Level:
    """After `step` sampling steps (from 1) the best `survivors` go on, and each gets `forks` that start after `start`."""

    step: int
    survivors: int
    forks: int
    start: int


def path_levels(steps: int, count: int, keep: int) -> tuple[Level, ...]:
    """The levels of "paths" for `count` first candidates of `steps` steps each; at least `keep` survive every one.

    All of it takes about as many model calls as `count` finished pictures. Raises DataError for too few steps.
    """
    check_steps("paths", steps)
    levels, alive = [], count
    for at, share, forks, back in _PATHS:
        step = round(at * steps)
        survivors = min(alive, max(keep, 1, math.ceil(round(share * count, 6))))
        # What the model predicted after `step` steps it saw one step earlier, so forks start before that.
        start = max(1, min(round(back * steps), step - 2)) if forks else step
        levels.append(Level(step, survivors, forks, start))
        alive = survivors * (1 + forks)
    return tuple(levels)


def resample_steps(steps: int) -> tuple[int, ...]:
    """After which of `steps` steps "resample" weighs the candidates. Raises DataError for too few steps."""
    check_steps("resample", steps)
    return tuple(sorted({max(1, round(at * steps)) for at in _RESAMPLE_AT} - {steps}))


def check_steps(search: Search, steps: int) -> None:
    """Raise DataError for too few steps to search on the way."""
    fewest = _FEWEST_STEPS[search]
    if steps < fewest:
        raise DataError(
            f"The search {search!r} looks at pictures while they are made and needs at least {fewest} steps; there are "
            f"{steps}. Set more steps, or search: best of n."
        )


def path_steps(levels: Sequence[Level], steps: int, count: int) -> int:
    """Sampling steps of "paths" over all candidates and forks together."""
    # Each fork repeats the steps from its start to the level it came from.
    done, alive, total = 0, count, 0
    for level in levels:
        total += (level.step - done) * alive + (level.step - level.start) * level.survivors * level.forks
        done, alive = level.step, level.survivors * (1 + level.forks)
    return total + (steps - done) * alive


def largest_count(search: Search, steps: int, budget: int, keep: int = 1) -> int:
    """The most first candidates for which the search takes at most `budget` sampling steps.

    "best of n" without pruning. Raises DataError where not even `keep` fit.
    """

    def cost(count: int) -> int:
        if search == "paths":
            return path_steps(path_levels(steps, count, keep), steps, count)
        return steps * count

    fitting = [count for count in range(max(1, keep), budget + 1) if cost(count) <= budget]
    if not fitting:
        raise DataError(
            f"{budget} steps are too few to keep {keep} by the search {search!r}. Allow more of them."
        )
    return max(fitting)


def old_noise_weight(signal: tuple[float, float], sigma: tuple[float, float]) -> float:
    """The weight of a parent's noise in a fork, in 0–1; new noise has √(1 − weight²), so the sum has variance 1.

    A latent is signal · picture + sigma · noise; `signal` and `sigma` where the parent is, and where the fork starts.
    Where the fork starts noisier, just the missing noise is added, as the forward process does. Otherwise `FRESH` of
    the variance is new, as in a stochastic DDIM step.
    """
    if sigma[1] <= sigma[0]:
        return math.sqrt(1 - FRESH)
    return min(1.0, signal[1] / signal[0] * sigma[0] / sigma[1]) if signal[0] > 0 else 0.0


@dataclass(frozen=True)
class Resampled:
    """`copies`: for each particle how often it goes on, 0 for those given up. `log_weights`: of the particles before."""

    copies: tuple[int, ...]
    log_weights: tuple[float, ...]


def resample(
    log_weights: Sequence[float], gains: Sequence[float], seed: int, strength: float = _STRENGTH
) -> Resampled:
    """Resample particles by exp(log_weights + strength · gains), once the weights have become uneven.

    `gains`: how much each particle's logit rose since it was last weighed (its logit, the first time); −∞ for one
    that cannot be scored. As a logit is the log of how much likelier a picture is among the liked ones, strength 1 draws
    pictures as frequent as liked ones are, more prefers the best of them. While the effective sample size is at least
    half the particles, every one goes on and the weights are carried; after resampling they are equal again.
    Systematic resampling (Kitagawa 1996): a particle of weight w goes on ⌊n·w⌋ or ⌈n·w⌉ times, by `seed`.
    """
    logs = torch.tensor(log_weights, dtype=torch.float64) + strength * torch.tensor(
        gains, dtype=torch.float64
    )
    count = len(logs)
    if not torch.isfinite(logs).any():
        return Resampled((1,) * count, (0.0,) * count)
    weights = torch.softmax(logs, 0)
    if float(1 / (weights**2).sum()) >= _ENOUGH * count and bool(torch.isfinite(logs).all()):
        return Resampled((1,) * count, tuple((logs - logs.max()).tolist()))
    start = torch.rand(1, generator=torch.Generator().manual_seed(seed % 2**63), dtype=torch.float64)
    points = (torch.arange(count) + start) / count
    chosen = torch.searchsorted(weights.cumsum(0) / weights.sum(), points).clamp(max=count - 1)
    copies = torch.bincount(chosen, minlength=count)
    return Resampled(tuple(copies.tolist()), (0.0,) * count)
