"""Rank-based bootstrapping: a model's own best and worst picks from a pool teach it, round by round.

After GAN-RM (arXiv 2506.13846): the training pictures never change; each round the current model
ranks the pool, the first M become positives with the soft label exp(−alpha · rank), the last M
negatives, and the head is fitted afresh.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...data.splits import FIFTHS, FOLDS, IntArray, assign_folds, refuse_too_alike
from ...metrics.binary import FloatArray, Interval, auc, bootstrap_interval, class_weights, weighted_auc
from ...metrics.calibration import Calibration, fit_calibration
from ...rewards.discriminator.heads import Head, LinearHead, RewardProjectionLayer
from ...utils.errors import DataError
from ...utils.progress import History, Progress, ProgressCallback
from ..cross_validation import mean_of_linear
from ..feature_rows import Rows
from .head_recipe import HeadRecipe

_SHARE = 0.1


@dataclass(frozen=True)
class BootstrapSettings:
    """How a pool teaches. None stands for what suits the pool: see `picks` and `decay`.

    `top` of the pool become positives, `bottom` negatives, in each of at most `rounds` rounds. The
    positive of rank r, counted from 0, has the label exp(−alpha · r). With `bottom_only` there are no
    positives, for those who would not have a generated picture stand for their taste.
    """

    rounds: int = 3
    top: int | None = None
    bottom: int | None = None
    alpha: float | None = None
    bottom_only: bool = False

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise DataError(f"rounds is {self.rounds}. Use 1 or more.")
        for name, value in (("top", self.top), ("bottom", self.bottom)):
            if value is not None and value < 1:
                raise DataError(f"{name} is {value}. Use 1 or more, or leave it out.")
        if self.alpha is not None and not (math.isfinite(self.alpha) and self.alpha >= 0):
            raise DataError(f"alpha is {self.alpha}. Use 0 or more; the larger, the fewer positives count.")

    def picks(self, pool: int, rarer: int) -> tuple[int, int]:
        """How many of a pool of so many become positives, and how many negatives.

        Unless said, a tenth of the pool, but no more than the rarer class has pictures (`rarer`): the
        model's guesses must not outweigh what is known. Raises DataError where the two would overlap.
        """
        usual = max(1, min(round(_SHARE * pool), rarer))
        top = 0 if self.bottom_only else self.top or usual
        bottom = self.bottom or usual
        if top + bottom > pool:
            raise DataError(
                f"A pool of {pool} usable pictures cannot give {top} positives and {bottom} negatives. "
                "Add pictures to the pool, or use a smaller top and bottom."
            )
        return top, bottom

    def decay(self, top: int) -> float:
        """`alpha`, or what gives a rank just past the last positive the label 0.5."""
        return self.alpha if self.alpha is not None else math.log(2) / max(1, top)


@dataclass(frozen=True)
class Round:
    """One round, judged on pictures held out of it.

    `auc` and `loss` (calibrated, classes balanced) are those after the round, `gain` is the paired
    change of the AUC with its 95 % interval. `top` and `bottom` are positions in the pool, the most
    extreme first, as the model that is handed out would pick them.
    """

    auc: float
    loss: float
    gain: Interval
    kept: bool
    top: IntArray
    bottom: IntArray


@dataclass(frozen=True)
class Bootstrapped:
    """What came of it. `layer` is None where no round was kept: the model as it was is the best.

    `auc` and `loss` are those before the first round. `held_out_scores` are calibrated scores of the
    pictures at `held_out` by heads, calibration and number of rounds that the other folds would
    choose. `calibration` belongs to `layer`. `folds` says which of the layer's siblings has not seen a
    picture held out; None where the head itself has seen none of them.
    """

    layer: RewardProjectionLayer | None
    calibration: Calibration
    auc: float
    loss: float
    rounds: list[Round]
    held_out: IntArray
    held_out_scores: FloatArray
    folds: IntArray | None
    protocol: str

    @property
    def kept(self) -> int:
        return sum(entry.kept for entry in self.rounds)

    @property
    def history(self) -> History:
        """Held-out loss and AUC before the first round and after each, kept or not."""
        return _history(
            [self.loss, *(entry.loss for entry in self.rounds)],
            [self.auc, *(entry.auc for entry in self.rounds)],
        )


def bootstrap(
    rows: Rows,
    groups: IntArray,
    pool: Tensor,
    recipe: HeadRecipe,
    settings: BootstrapSettings,
    *,
    start: RewardProjectionLayer,
    siblings_fit: bool = False,
    adapted: bool = False,
    seed: int,
    progress: ProgressCallback,
) -> Bootstrapped:
    """Refine the head of `start` with the `pool` [P, V, D].

    Judged by cross-validation with `seed`'s folds. Each fold has a chain of heads of its own, of which
    none saw the fold, neither as pictures nor through labels that it gave to the pool: the pool is
    ranked anew in each chain. The chains begin with the siblings of `start` where these belong to the
    very same folds (`siblings_fit`), else with heads fitted to `rows` without the fold. The pool itself
    is only learned from. A round is kept where `ranks_better` says so; the first that is not ends it,
    since the same model would pick the same pictures again.

    With `adapted`, `start` and the features come from a backbone that saw all folds but the first:
    then only that one is judged, and the head handed out has not seen it.
    """
    labels = rows.labels.numpy().astype(np.int64)
    refuse_too_alike(labels, groups)
    # The siblings of a model trained by another version may belong to more or fewer folds.
    known = siblings_fit and not adapted and len(start.siblings) > 1
    count = FIFTHS if adapted else len(start.siblings) if known else FOLDS
    folds = assign_folds(labels, groups, count, seed)
    top, bottom = settings.picks(len(pool), int(min(labels.sum(), (1 - labels).sum())))
    judged = range(1) if adapted else range(count)
    held_out = np.flatnonzero(np.isin(folds, judged))
    # Linear heads of the folds have a mean, which is handed out; other kinds need a chain fitted to all.
    averaged = recipe.kind == LinearHead.kind and not adapted
    parts = [np.flatnonzero(folds != fold) for fold in judged]
    if not adapted and not averaged:
        parts.append(np.arange(len(labels)))
    fits = _Fits(progress, settings.rounds * len(parts) + (0 if adapted or known else count))

    def head_of(part: IntArray, picked: Rows) -> Head:
        chosen = torch.from_numpy(part)
        head = recipe.fit(rows.take(chosen), groups[part], picked, fits.report)
        fits.fitted()
        return head

    siblings: list[Head] = []
    if known:
        siblings = [*start.siblings]  # type: ignore[list-item]
    elif not adapted:
        nothing = Rows(pool[:0], pool.new_zeros(0))
        siblings = [head_of(part, nothing) for part in parts[:count]]
    heads = siblings if averaged else [*siblings, start.head]
    handed_out = start.head
    truth, kinds = labels[held_out], folds[held_out]
    by_round = [_held_out_logits(heads, rows, folds, held_out)]
    reached, loss = auc(by_round[0], truth), float(losses(by_round[0], truth).mean())
    rounds: list[Round] = []
    kept = heads
    for _ in range(settings.rounds):
        picks = [pick(head, pool, top, bottom, settings.decay(top)) for head in kept]
        shown = pick(handed_out, pool, top, bottom, settings.decay(top))
        heads = [head_of(part, picked.rows) for part, picked in zip(parts, picks, strict=True)]
        by_round.append(_held_out_logits(heads, rows, folds, held_out))
        rounds.append(_judged(by_round[-2], by_round[-1], truth, groups[held_out], shown, seed))
        fits.history = _history([loss, *(r.loss for r in rounds)], [reached, *(r.auc for r in rounds)])
        fits.report()
        if not rounds[-1].kept:
            break
        mean = mean_of_linear(heads) if averaged else None
        kept, handed_out = heads, heads[-1] if mean is None else mean
    n_kept = sum(entry.kept for entry in rounds)
    return Bootstrapped(
        layer=RewardProjectionLayer(handed_out, [] if adapted else kept[:count]) if n_kept else None,
        calibration=fit_calibration(by_round[n_kept], truth),
        auc=reached,
        loss=loss,
        rounds=rounds,
        held_out=held_out,
        held_out_scores=_honest_scores(by_round, truth, groups[held_out], kinds, seed),
        folds=None if adapted else kinds,
        protocol="one fifth of the pictures, near-duplicates kept together"
        if adapted
        else f"{count}-fold cross-validation, near-duplicates kept together, the pool only learned from",
    )


def ranks_better(before: FloatArray, after: FloatArray, labels: IntArray) -> bool:
    """Whether held-out logits became better, picture by picture.

    The AUC must not fall, and the calibrated loss must fall by more than the standard error of its
    paired change: chance alone would keep half of all useless rounds otherwise.
    """
    gain = losses(before, labels) - losses(after, labels)
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    return bool(auc(after, labels) >= auc(before, labels) and gain.mean() > error)


def losses(logits: FloatArray, labels: IntArray) -> FloatArray:
    """Cross-entropy of each picture after calibration, so that the scale of the logits does not count."""
    score = np.clip(fit_calibration(logits, labels).scores(logits), 1e-7, 1 - 1e-7)
    return np.asarray(-np.log(np.where(labels == 1, score, 1 - score)) * class_weights(labels))


def _history(loss: Sequence[float], reached: Sequence[float]) -> History:
    return History("before, then after each round", tuple(loss), tuple(reached))


@dataclass(frozen=True)
class Picked:
    """What a head takes from the pool: rows to learn from, and where they stand, most extreme first."""

    rows: Rows
    top: IntArray
    bottom: IntArray


class _Fits:
    """Reports every head fitted, so that a cancel is never far off."""

    def __init__(self, progress: ProgressCallback, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self.history: History | None = None
        self.report()

    def report(self) -> None:
        self._progress(Progress("bootstrapping", self._done, self._total, history=self.history))

    def fitted(self) -> None:
        self._done += 1
        self.report()


def pick(head: Head, pool: Tensor, top: int, bottom: int, alpha: float) -> Picked:
    """What the head makes of the pool."""
    with torch.no_grad():
        order = torch.argsort(head(pool[:, 0]), descending=True, stable=True)
    first, last = order[:top], order.flip(0)[:bottom]
    labels = torch.cat([torch.exp(-alpha * torch.arange(top)), torch.zeros(bottom)])
    return Picked(Rows(pool[torch.cat([first, last])], labels), first.numpy(), last.numpy())


def _held_out_logits(heads: Sequence[Head], rows: Rows, folds: IntArray, held_out: IntArray) -> FloatArray:
    logits = np.zeros(len(folds))
    with torch.no_grad():
        for fold in np.unique(folds[held_out]):
            inside = folds == fold
            logits[inside] = heads[fold](rows.features[torch.from_numpy(inside), 0]).double().numpy()
    return logits[held_out]


def _judged(
    before: FloatArray, after: FloatArray, labels: IntArray, groups: IntArray, picked: Picked, seed: int
) -> Round:
    auc_after, auc_before = weighted_auc(after, labels), weighted_auc(before, labels)
    gain = bootstrap_interval(lambda w: auc_after(w) - auc_before(w), labels, groups, seed=seed)
    return Round(
        auc=auc(after, labels),
        loss=float(losses(after, labels).mean()),
        gain=gain,
        kept=ranks_better(before, after, labels),
        top=picked.top,
        bottom=picked.bottom,
    )


def _honest_scores(
    by_round: Sequence[FloatArray], labels: IntArray, groups: IntArray, folds: IntArray, seed: int
) -> FloatArray:
    """Scores of each fold by the number of rounds and the calibration that the other folds would choose.

    The pictures that decided how many rounds are kept would flatter the result otherwise. Where only
    one fold is judged it is split again.
    """
    parts = folds if len(np.unique(folds)) > 1 else assign_folds(labels, groups, FIFTHS, seed)
    scores = np.zeros(len(labels))
    for part in np.unique(parts):
        inside, outside = parts == part, parts != part
        last = 0
        while last + 1 < len(by_round) and ranks_better(
            by_round[last][outside], by_round[last + 1][outside], labels[outside]
        ):
            last += 1
        chosen = by_round[last]
        scores[inside] = fit_calibration(chosen[outside], labels[outside]).scores(chosen[inside])
    return scores
