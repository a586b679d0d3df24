"""Reward-guided search while sampling: Search over Paths and Feynman-Kac resampling of half-sampled candidates.

Both ways fork half-sampled candidates: the fork starts from what the model predicts of its parent, with noise that is
partly the parent's and partly new. "paths" (Search over Paths: Ma et al. 2025, arXiv 2501.09732; with a reward as in
RewardDance, arXiv 2509.08826) goes back some steps for it, so more is decided anew, at the cost of those steps, and only
the best go on. In "resample" (Feynman-Kac steering: Singhal et al. 2025, arXiv 2501.06848) forks go on at the same step,
which costs nothing, and take the places of candidates with low weights.
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

_FEWEST_STEPS = {"best of n": 1, "paths": 4, "resample": 3}
_PATHS_AT = (0.25, 0.35, 0.45, 0.55, 0.65)
_BACK = 0.1
_LAST_PRUNING = 0.8
_SURVIVORS, _LAST_SURVIVORS, _WITH_FORKS = 1 / 8, 1 / 16, 0.6
"""Shares of the first candidates: how many survive a level, and how many there are then with their forks."""
_RESAMPLE_AT = (0.2, 0.35, 0.5, 0.65)
_STRENGTH = 4.0
_ENOUGH = 0.5
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Level:
    """After `step` sampling steps (from 1) the best `survivors` go on, with `forks` of them that start after `start`."""

    step: int
    survivors: int
    forks: int
    start: int


def path_levels(steps: int, count: int, keep: int) -> tuple[Level, ...]:
    """The levels of "paths" for `count` first candidates of `steps` steps each; at least `keep` survive every one.

    All of it takes at most as many model calls as `count` finished pictures. Raises DataError for too few steps.
    """
    check_steps("paths", steps)
    levels: dict[int, Level] = {}  # with few steps a later level takes the place of one at the same step
    for at in _PATHS_AT:
        step = max(1, round(at * steps))
        survivors = max(keep, 1, int(_SURVIVORS * count))
        forks = max(0, round(_WITH_FORKS * count) - survivors)
        # Before what was looked at: the model predicted that from the latent of one step earlier.
        start = max(1, min(round((at - _BACK) * steps), step - 1))
        levels[step] = Level(step, survivors, forks, start)
    last = round(_LAST_PRUNING * steps)
    levels[last] = Level(last, max(keep, 1, int(_LAST_SURVIVORS * count)), 0, last)
    return tuple(levels.values())


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
        total += (level.step - done) * alive + (level.step - level.start) * level.forks
        done, alive = level.step, level.survivors + level.forks
    return total + (steps - done) * alive


def old_noise_weight(signal: tuple[float, float], sigma: tuple[float, float]) -> float:
    """The weight of a parent's noise in a fork, in 0–1; new noise has √(1 − weight²), so the sum has variance 1.

    A latent is signal · picture + sigma · noise; `signal` and `sigma` where the parent is, and where the fork starts.
    Where the fork starts noisier, just the missing noise is added, as the forward process does. Otherwise `FRESH` of
    the variance is new, as in a stochastic DDIM step.
    """
    if sigma[1] <= sigma[0] * (
        1 + _ROUNDING
    ):  # samplers reach the schedule's sigmas but for their last digits
        return math.sqrt(1 - FRESH)
    return min(1.0, signal[1] / signal[0] * sigma[0] / sigma[1]) if signal[0] > 0 else 0.0


@dataclass(frozen=True)
class Resampled:
    """`copies`: for each particle how often it goes on, 0 for those given up. `log_weights`: of the particles before."""

    copies: tuple[int, ...]
    log_weights: tuple[float, ...]


def spread(logits: Sequence[float]) -> float:
    """How far logits lie apart: the standard deviation of the finite ones; 1 where they do not differ."""
    finite = torch.tensor([logit for logit in logits if math.isfinite(logit)], dtype=torch.float64)
    found = float(finite.std(correction=0)) if len(finite) else 0.0
    return found or 1.0


def resample(
    log_weights: Sequence[float], gains: Sequence[float], seed: int, strength: float = _STRENGTH
) -> Resampled:
    """Resample particles by exp(log_weights + strength · gains), once the weights have become uneven.

    `gains`: how much each particle's logit rose since it was last weighed (its logit, the first time), in units of
    `spread`, as rewards differ in scale; −∞ for one that cannot be scored. The larger `strength`, the fewer of the best
    go on. While the effective sample size is at least
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
