"""Choosing among candidate heads by their held-out loss, and calibrated scores that the choice does not flatter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from ..data.splits import IntArray
from ..metrics.binary import FloatArray, class_weights
from ..metrics.calibration import fit_calibration
from ..rewards.discriminator.heads import LinearHead
from .head_config import HeadConfig

Name = TypeVar("Name")
HeldOut = Mapping[Name, FloatArray]
"""Logits [N] of the same held-out pictures by each candidate."""

_STANDARD_ERRORS = 2
"""An MLP must beat the best linear head, and an adapted backbone the frozen one, by so many."""


def calibrated_losses(logits: FloatArray, labels: IntArray) -> FloatArray:
    """Class-balanced cross-entropy [N] of each picture after calibration, so invariant to the logits' scale."""
    return _losses(fit_calibration(logits, labels).scores(logits), labels)


def clearly_better(scores: FloatArray, others: FloatArray, labels: IntArray) -> bool:
    """Whether calibrated scores [N] have the lower class-balanced cross-entropy, by two standard errors of the difference."""
    return _lead(_losses(scores, labels), _losses(others, labels)) >= _STANDARD_ERRORS


def choose(held_out: HeldOut[HeadConfig], labels: IntArray) -> HeadConfig:
    """The candidate with the lowest held-out loss; an MLP must win by two standard errors."""
    losses = {config: calibrated_losses(logits, labels) for config, logits in held_out.items()}
    best, linear = _lowest(losses), _linear(losses)
    if linear and best not in linear and _lead(losses[best], losses[_lowest(linear)]) < _STANDARD_ERRORS:
        return _lowest(linear)
    return best


def hopeless(held_out: HeldOut[HeadConfig], labels: IntArray) -> set[HeadConfig]:
    """Candidates that can be dropped early: not linear, and behind the best linear one."""
    if len(np.unique(labels)) < 2:
        return set()
    losses = {config: calibrated_losses(logits, labels) for config, logits in held_out.items()}
    linear = _linear(losses)
    if not linear:
        return set()
    rival = losses[_lowest(linear)]
    return {config for config in losses.keys() - linear.keys() if _lead(losses[config], rival) < 0}


def nested_scores(
    held_out: HeldOut[Name],
    labels: IntArray,
    folds: IntArray,
    choose_from: Callable[[HeldOut[Name], IntArray], Name],
) -> FloatArray:
    """Calibrated scores [N]; choice and calibration for each fold come from the other folds alone.

    The heads behind the other folds' logits had seen this fold: full nesting would cost a fit per pair of folds, and
    shuffled labels show no gain from leaving it out.
    """
    scores = np.zeros(len(labels))
    for fold in np.unique(folds):
        inside, outside = folds == fold, folds != fold
        elsewhere = {name: logits[outside] for name, logits in held_out.items()}
        chosen = choose_from(elsewhere, labels[outside])
        calibration = fit_calibration(elsewhere[chosen], labels[outside])
        scores[inside] = calibration.scores(held_out[chosen][inside])
    return scores


def _losses(scores: FloatArray, labels: IntArray) -> FloatArray:
    """Class-balanced cross-entropy [N] of each picture."""
    score = np.clip(scores, 1e-7, 1 - 1e-7)
    return np.asarray(-np.log(np.where(labels == 1, score, 1 - score)) * class_weights(labels))


def _linear(losses: HeldOut[HeadConfig]) -> HeldOut[HeadConfig]:
    return {config: loss for config, loss in losses.items() if config.kind == LinearHead.kind}


def _lowest(losses: HeldOut[HeadConfig]) -> HeadConfig:
    return min(losses, key=lambda config: float(losses[config].mean()))


def _lead(losses: FloatArray, others: FloatArray) -> float:
    """By how many standard errors these losses are lower than the others, in a paired comparison."""
    gain = others - losses
    return float(gain.mean() / max(gain.std() / np.sqrt(len(gain)), 1e-12))
