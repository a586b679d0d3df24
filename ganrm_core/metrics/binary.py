"""Binary classification metrics (AUC, accuracy, ECE, thresholds) and their bootstrap intervals.

All take 1-D arrays of equal length: `logits` or `scores` (floats), `labels` (1 liked, 0 ordinary) and, for dependent
pictures, `groups` (ids; equal ones are resampled together).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

Statistic = Callable[[FloatArray], FloatArray]
"""A metric as a function of one weight per picture: [..., N] → [...]."""

ECE_BINS = 15
_RESAMPLES = 1000
_WEIGHTS_AT_ONCE = 1 << 19  # in memory at a time, with intermediates of several times that size


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def to_json(self) -> list[float]:
        return [self.value, self.low, self.high]


def auc(logits: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve: how often a liked picture outranks an ordinary one; ties count half."""
    return _unweighted(weighted_auc(logits, labels), labels)


def weighted_auc(logits: ArrayLike, labels: ArrayLike) -> Statistic:
    """AUC under weights, as the weighted Mann–Whitney statistic (Hanley & McNeil 1982); NaN without both classes."""
    values, positive = np.asarray(logits, float), np.asarray(labels) > 0.5
    levels, level_of = np.unique(values, return_inverse=True)
    order = np.argsort(level_of, kind="stable")
    starts = np.searchsorted(level_of[order], np.arange(len(levels)))
    is_liked = positive[order]

    def statistic(weights: FloatArray) -> FloatArray:
        weight = weights[..., order]
        liked = np.add.reduceat(weight * is_liked, starts, axis=-1)
        ordinary = np.add.reduceat(weight * ~is_liked, starts, axis=-1)
        below = np.cumsum(ordinary, axis=-1) - ordinary
        outranked = (liked * (below + ordinary / 2)).sum(axis=-1)
        return _ratio(outranked, liked.sum(axis=-1) * ordinary.sum(axis=-1))

    return statistic


def roc_curve(logits: ArrayLike, labels: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """False and true positive rates for falling thresholds, from (0, 0) to (1, 1)."""
    values, positive = np.asarray(logits, float), np.asarray(labels) > 0.5
    order = np.argsort(-values, kind="stable")
    last_of_level = np.append(np.diff(values[order]) != 0, True)
    true = np.cumsum(positive[order])[last_of_level] / max(1, positive.sum())
    false = np.cumsum(~positive[order])[last_of_level] / max(1, (~positive).sum())
    return np.insert(false, 0, 0.0), np.insert(true, 0, 0.0)


def class_weights(labels: ArrayLike) -> FloatArray:
    """Weights [N] with mean 1 that balance the classes."""
    positive = np.asarray(labels) > 0.5
    share = positive.mean()
    if share in (0.0, 1.0):
        return np.ones(len(positive))
    return np.asarray(np.where(positive, 0.5 / share, 0.5 / (1 - share)))


def weighted_accuracy(scores: ArrayLike, labels: ArrayLike, threshold: float) -> Statistic:
    """Balanced accuracy at `threshold` (a score that reaches it means liked); NaN without both classes."""
    positive = np.asarray(labels) > 0.5
    right = (np.asarray(scores, float) >= threshold) == positive
    # Columns: true positives, liked, true negatives, ordinary.
    sums = np.stack([right & positive, positive, right & ~positive, ~positive], axis=1).astype(float)

    def statistic(weights: FloatArray) -> FloatArray:
        liked_right, liked, ordinary_right, ordinary = np.moveaxis(weights @ sums, -1, 0)
        return (_ratio(liked_right, liked) + _ratio(ordinary_right, ordinary)) / 2

    return statistic


def expected_calibration_error(scores: ArrayLike, labels: ArrayLike, bins: int = ECE_BINS) -> float:
    """Expected calibration error over equal-width bins, classes balanced; see `weighted_calibration_error`."""
    return _unweighted(weighted_calibration_error(scores, labels, bins), labels)


def weighted_calibration_error(scores: ArrayLike, labels: ArrayLike, bins: int = ECE_BINS) -> Statistic:
    """ECE (Naeini et al. 2015): mean |score − share of liked| over equal-width bins.

    Classes are balanced under any weights, so that the size of a folder has no influence.
    """
    score, positive = np.asarray(scores, float), (np.asarray(labels) > 0.5).astype(float)
    gap_in_bin = (score - positive)[:, None] * _in_bin(score, bins)

    def statistic(weights: FloatArray) -> FloatArray:
        weight = _balanced(weights, positive)
        return np.asarray(np.abs(weight @ gap_in_bin).sum(axis=-1) / weight.sum(axis=-1))

    return statistic


def calibration_curve(
    scores: ArrayLike, labels: ArrayLike, bins: int = ECE_BINS
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Reliability diagram: mean score, share of liked and share of pictures per non-empty bin, classes balanced."""
    score, positive = np.asarray(scores, float), (np.asarray(labels) > 0.5).astype(float)
    weight = class_weights(positive)
    index = np.minimum((score * bins).astype(int), bins - 1)
    mass = np.bincount(index, weight, bins)
    filled = mass > 0
    mean_score = np.bincount(index, weight * score, bins)[filled] / mass[filled]
    share = np.bincount(index, weight * positive, bins)[filled] / mass[filled]
    return mean_score, share, mass[filled] / mass.sum()


def calibration_error_bound(
    scores: ArrayLike, labels: ArrayLike, *, quantile: float = 0.95, seed: int = 0, bins: int = ECE_BINS
) -> float:
    """Quantile of the ECE of a perfectly calibrated model with these scores.

    Parametric bootstrap (Bröcker & Smith 2007): labels are drawn from the scores, with the prior shifted from
    balanced to the share of liked pictures in `labels`.
    """
    score = np.asarray(scores, float)
    prior = float(np.clip((np.asarray(labels) > 0.5).mean(), 1e-6, 1 - 1e-6))
    chance = score * prior / (score * prior + (1 - score) * (1 - prior))
    rng = np.random.default_rng(seed)
    in_bin = _in_bin(score, bins)
    errors = []
    for count in _batches(len(score)):
        drawn = rng.random((count, len(score))) < chance
        # Importance weights back to balanced classes. Balancing each draw by its own counts would hide scores
        # that are all too high.
        weight = np.where(drawn, 0.5 / prior, 0.5 / (1 - prior))
        gaps = (weight * (score - drawn)) @ in_bin
        errors.append(np.abs(gaps).sum(axis=1) / weight.sum(axis=1))
    return float(np.quantile(np.concatenate(errors), quantile))


def bootstrap_interval(
    statistic: Statistic,
    labels: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: int = 0,
    unbiased: bool = True,
) -> Interval:
    """95 % percentile interval by a cluster bootstrap, stratified by class (Efron & Tibshirani 1993).

    `statistic` gets the counts [draws, N] of each picture. With `unbiased` False, for metrics that resampling biases
    upwards (a calibration error), the draws are shifted to have the value as their mean, and clipped at 0.
    """
    positive = np.asarray(labels) > 0.5
    group = (
        np.arange(len(positive)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    )
    stratum = np.zeros(group.max() + 1, dtype=bool)
    np.logical_or.at(stratum, group, positive)
    strata = [np.flatnonzero(stratum), np.flatnonzero(~stratum)]
    rng = np.random.default_rng(seed)
    draws = []
    for number in _batches(len(positive)):
        counts = np.zeros((number, len(stratum)))
        for members in strata:
            if len(members):
                drawn = rng.integers(len(members), size=(number, len(members)))
                drawn += np.arange(number)[:, None] * len(members)
                counts[:, members] = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        draws.append(statistic(counts[:, group]))
    value = _unweighted(statistic, labels)
    values = np.concatenate(draws)
    finite = values[np.isfinite(values)]
    if not unbiased and len(finite):
        finite = np.maximum(finite - finite.mean() + value, 0)
    low, high = np.quantile(finite, [0.025, 0.975]) if len(finite) else (np.nan, np.nan)
    return Interval(value, float(low), float(high))


def auc_interval(
    logits: ArrayLike, labels: ArrayLike, groups: ArrayLike | None = None, *, seed: int = 0
) -> Interval:
    """AUC with its 95 % bootstrap interval.

    For perfect separation, where resampling has no variance, the lower end follows the rule of three (Hanley &
    Lippman-Hand 1983) on the smaller class.
    """
    interval = bootstrap_interval(weighted_auc(logits, labels), labels, groups, seed=seed)
    if interval.low < 1:
        return interval
    positive = np.asarray(labels) > 0.5
    group = np.arange(len(positive)) if groups is None else np.asarray(groups)
    smaller_class = min(len(np.unique(group[part])) for part in (positive, ~positive))
    return Interval(interval.value, max(0.0, 1 - 3 / smaller_class), interval.high)


def best_balanced_threshold(scores: ArrayLike, labels: ArrayLike) -> float:
    """Threshold with the highest balanced accuracy, midway between neighbouring scores."""
    score = np.asarray(scores, float)
    false, true = roc_curve(score, labels)
    levels = np.unique(score)[::-1]
    best = int(np.argmax(true[1:] - false[1:]))
    below = levels[best + 1] if best + 1 < len(levels) else levels[best]
    return float((levels[best] + below) / 2)


def false_positive_threshold(scores: ArrayLike, labels: ArrayLike, rate: float = 0.05) -> float:
    """Lowest threshold with a false positive rate of at most `rate`."""
    ordinary = np.sort(np.asarray(scores, float)[np.asarray(labels) < 0.5])[::-1]
    allowed = int(np.floor(rate * len(ordinary) + 1e-9))
    highest = ordinary[min(allowed, len(ordinary) - 1)]
    above = np.asarray(scores, float)
    above = above[above > highest]
    return float((highest + above.min()) / 2 if len(above) else np.nextafter(highest, np.inf))


def selection_efficiency(qualities: ArrayLike, chosen: ArrayLike) -> float:
    """Normalised gain of best-of-N selection: 1 for always the best candidate, 0 for chance.

    (mean of the chosen − mean of all) / (mean of the best − mean of all), with `qualities` [groups, N] the true
    quality of each candidate and `chosen` [groups] the selected position. NaN where all are equal.
    """
    quality = np.asarray(qualities, float)
    picked = quality[np.arange(len(quality)), np.asarray(chosen, int)].mean()
    possible = quality.max(axis=1).mean() - quality.mean()
    return float((picked - quality.mean()) / possible) if possible > 0 else float("nan")


def _unweighted(statistic: Statistic, labels: ArrayLike) -> float:
    return float(statistic(np.ones(len(np.asarray(labels)))))


def _batches(length: int) -> Iterator[int]:
    """Sizes of the batches in which `_RESAMPLES` draws of `length` pictures are computed."""
    at_once = int(np.clip(_WEIGHTS_AT_ONCE // max(1, length), 1, _RESAMPLES))
    for start in range(0, _RESAMPLES, at_once):
        yield min(at_once, _RESAMPLES - start)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """part / whole, NaN where whole is 0."""
    ratio: FloatArray = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
    return ratio


def _in_bin(scores: FloatArray, bins: int) -> FloatArray:
    """One-hot [N, bins] of the equal-width bin of each score in [0, 1]."""
    return np.asarray(np.eye(bins)[np.minimum((scores * bins).astype(int), bins - 1)])


def _balanced(weights: FloatArray, positive: FloatArray) -> FloatArray:
    """Weights [..., N] rescaled to balance the classes, where both are present."""
    liked, ordinary = (weights @ part for part in (positive, 1 - positive))
    both = (liked > 0) & (ordinary > 0)
    of_liked, of_ordinary = (
        np.divide(0.5, part, out=np.ones(np.shape(part)), where=both) for part in (liked, ordinary)
    )
    return np.asarray(weights * (positive * of_liked[..., None] + (1 - positive) * of_ordinary[..., None]))
