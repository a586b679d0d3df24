"""Comparison of a generator before and after training on the same prompts and seeds, and whether to keep the result.

Arrays are [prompts, seeds], equal positions before and after being one pair; NaN marks spoilt pictures, whose pairs do
not count. From `ENOUGH_PROMPTS` prompts on, intervals are for prompts like these (prompts are the sampling unit);
with fewer, for other seeds of just these prompts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..metrics.binary import FloatArray, Interval

ENOUGH_PROMPTS = 8
LEAST_DIVERSITY, LEAST_PROMPT_KEPT = 0.7, 0.75
"""Shares of the value before below which a LoRA is not worth keeping."""
GOOD_DIVERSITY, GOOD_PROMPT_KEPT = 0.85, 0.9
"""Shares below which the verdict says so. All four were measured on a toy problem."""

UNKNOWN = Interval(math.nan, -math.inf, math.inf)

_Z = 1.959964  # of the normal distribution, two-sided 95 %


@dataclass(frozen=True)
class Change:
    """One reward before and after: mean scores (0–1), and the mean paired difference of the logits."""

    before: float
    after: float
    difference: Interval


@dataclass(frozen=True)
class Comparison:
    """`wins`: share of pairs with a higher reward after. `diversity`, `prompt_kept`: after divided by before, NaN where
    not measured. `spoilt`: pictures with NaN or infinite pixels, before and after. `pairs`: those that count."""

    pairs: int
    prompts: int
    wins: Interval
    reward: Change
    judge: Change | None
    diversity: float
    prompt_kept: Interval
    spoilt: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Verdict:
    """Whether to keep the LoRA, and one sentence that says so and names every bad sign."""

    keep: bool
    sentence: str


def win_rate(before: ArrayLike, after: ArrayLike) -> Interval:
    """Share of pairs with the higher value after, ties half, with its 95 % Wilson score interval (Wilson 1927).

    Over prompts, the interval is that of an effective sample size: pairs divided by the design effect of clusters, with
    Student's factor for few clusters (Korn & Graubard 1998; with Wilson's interval: Franco et al. 2019, J. Survey Stat.
    Methodol. 7). Unlike a bootstrap it keeps a width where every pair is won.
    """
    first, second = _pairs(before, after)
    won = np.where(second > first, 1.0, np.where(second == first, 0.5, 0.0))
    won = np.where(np.isfinite(first), won, np.nan)
    count = int(np.isfinite(won).sum())
    share = float(np.nanmean(won)) if count else math.nan
    return wilson_interval(share, _effective_size(won, share, count))


def wilson_interval(share: float, count: float) -> Interval:
    """95 % score interval of a proportion out of `count` (Wilson 1927); 0–1 for none."""
    if not count > 0:
        return Interval(share, 0.0, 1.0)
    square = _Z**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = _Z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def paired_difference(before: ArrayLike, after: ArrayLike) -> Interval:
    """Mean of after − before over the pairs, with its 95 % interval by Student's t.

    Over prompts, the standard error is that of clusters (Cochran 1977, §10); with few prompts it comes from the
    pooled variance within prompts (stratified sampling). Infinite where a single pair per prompt leaves no variance.
    """
    first, second = _pairs(before, after)
    change = second - first
    known = np.isfinite(change)
    count = int(known.sum())
    if not count:
        return Interval(math.nan, -math.inf, math.inf)
    mean = float(np.nanmean(change))
    rows = [row[np.isfinite(row)] for row in change if np.isfinite(row).any()]
    if len(rows) >= ENOUGH_PROMPTS:
        error, freedom = _cluster_error(rows, mean), len(rows) - 1
    else:
        freedom = count - len(rows)
        squares = sum(float(np.square(row - row.mean()).sum()) for row in rows)
        error = math.sqrt(squares / freedom / count) if freedom else math.inf
    half = error * _student(freedom) if freedom else math.inf
    return Interval(mean, mean - half, mean + half)


def change_of(before: tuple[ArrayLike, ArrayLike], after: tuple[ArrayLike, ArrayLike]) -> Change:
    """`Change` from the (logits, scores) of both sides."""
    first, second = _pairs(before[1], after[1])
    return Change(_mean(first), _mean(second), paired_difference(before[0], after[0]))


def prompt_kept(before: ArrayLike, after: ArrayLike) -> Interval:
    """How well pictures still follow their prompts, as a share of before, with its 95 % interval (ratio estimator).

    The arrays hold gains e(no prompt) − e(prompt): how much better the generator of before predicts a picture when it
    knows the prompt, an estimate of their pointwise mutual information (Kong et al. 2024, arXiv 2310.07972; as a
    classifier: Li et al. 2023, Diffusion Classifier). NaN where the gain before is not clearly above 0: that
    generator does not tell whether prompts are followed.
    """
    first, second = _pairs(before, after)
    known = first[np.isfinite(first)]
    if len(known) < 2 or not known.mean() > 2 * known.std(ddof=1) / math.sqrt(len(known)):
        return UNKNOWN
    ratio = _mean(second) / float(known.mean())
    # The linearised variance of a ratio is that of after − ratio · before (Cochran 1977, §6).
    residual = paired_difference(ratio * first, second)
    half = (residual.high - residual.value) / float(known.mean())
    return Interval(ratio, ratio - half, ratio + half)


def verdict(comparison: Comparison) -> Verdict:
    """Keep if the reward surely rose and no sign is bad. What was not measured does not count."""
    if signs := _bad_signs(comparison):
        return Verdict(False, f"Do not keep this LoRA: {'; '.join(signs)}.")
    if signs := _side_effects(comparison, GOOD_DIVERSITY, GOOD_PROMPT_KEPT):
        return Verdict(
            True, f"Keep this LoRA if you like its pictures: the reward rose, but {'; '.join(signs)}."
        )
    judge = comparison.judge.difference.value if comparison.judge else 0.0
    measured = [judge, comparison.diversity, comparison.prompt_kept.value]
    nothing = "nothing" if all(map(math.isfinite, measured)) else "nothing that was measured"
    return Verdict(True, f"Keep this LoRA: the reward rose, and {nothing} speaks against it.")


def representative(changes: ArrayLike, count: int) -> list[int]:
    """Positions of at most `count` values, evenly spaced over their ranks, from the lowest up; NaN never.

    They are the middles of `count` equal parts, so neither extreme is singled out.
    """
    values = np.asarray(changes, float).ravel()
    order = np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())]
    count = min(count, len(order))
    return [int(order[(2 * part + 1) * len(order) // (2 * count)]) for part in range(count)]


def _bad_signs(comparison: Comparison) -> list[str]:
    signs = []
    reward, judge = comparison.reward.difference, comparison.judge
    if not reward.low > 0:
        surely = "fell" if reward.high < 0 else "did not surely rise"
        signs.append(f"the reward {surely} ({_range(reward)})")
    if judge is not None and judge.difference.high < 0:
        signs.append(f"the judge's score fell ({_range(judge.difference)})")
    signs += _side_effects(comparison, LEAST_DIVERSITY, LEAST_PROMPT_KEPT)
    before, after = comparison.spoilt
    if after > before:
        signs.append(f"{after} of its pictures are spoilt, {before} before")
    return signs


def _side_effects(comparison: Comparison, diversity: float, prompt_kept: float) -> list[str]:
    """What is below these shares of the value before."""
    signs = []
    if comparison.diversity < diversity:
        signs.append(f"its pictures are more alike (diversity {comparison.diversity:.2f} of before)")
    kept = comparison.prompt_kept
    if kept.value < prompt_kept and kept.high < 1:  # few pictures measure it roughly
        signs.append(f"it follows the prompts less ({kept.value:.2f} of before)")
    return signs


def signed(value: float) -> str:
    """Such as +0.52 or −0.03; "?" for values that are not finite."""
    return f"{value:+.2f}".replace("-", "−") if math.isfinite(value) else "?"


def _range(interval: Interval) -> str:
    if not math.isfinite(interval.low):
        return "too few pictures to tell"
    return f"change {signed(interval.low)} to {signed(interval.high)}"


def _pairs(before: ArrayLike, after: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both as [prompts, seeds], NaN on both sides of a pair that lacks one."""
    first, second = (np.atleast_2d(np.asarray(values, float)) for values in (before, after))
    known = np.isfinite(first) & np.isfinite(second)
    return np.where(known, first, np.nan), np.where(known, second, np.nan)


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _effective_size(won: FloatArray, share: float, count: int) -> float:
    rows = [row[np.isfinite(row)] for row in won if np.isfinite(row).any()]
    variance = share * (1 - share)
    if len(rows) < ENOUGH_PROMPTS or not variance > 0:
        return float(count)
    square = _cluster_error(rows, share) ** 2
    if not square > 0:
        return float(count)
    size = variance / square * (_Z / _student(len(rows) - 1)) ** 2
    return min(float(count), size)


def _cluster_error(rows: Sequence[FloatArray], mean: float) -> float:
    """Standard error of the mean over all values where each row is one cluster (ratio estimator, linearised)."""
    sums = np.array([(row - mean).sum() for row in rows])
    count = sum(map(len, rows))
    return math.sqrt(len(rows) / (len(rows) - 1) * float(np.square(sums).sum())) / count


def _student(freedom: int) -> float:
    """The two-sided 95 % quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
