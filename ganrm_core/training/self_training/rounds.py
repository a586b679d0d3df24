"""Rank-based bootstrapping (self-training with pseudo-labels), after GAN-RM (arXiv 2506.13846).

The training pictures never change; each round the current model ranks the pool, the first M become positives with the
soft label exp(−alpha · rank), the last M negatives, and the head is refitted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...data.splits import FIFTHS, IntArray, assign_folds
from ...metrics.binary import FloatArray, Interval, auc, bootstrap_interval, weighted_auc
from ...metrics.calibration import Calibration, fit_calibration
from ...rewards.discriminator.heads import Head, RewardProjectionLayer
from ...utils.errors import DataError
from ...utils.progress import History, ProgressCallback
from ..feature_rows import Rows
from ..model_selection import HeldOut, calibrated_losses, nested_scores
from .fold_chains import FoldChains, StartingPoint
from .head_recipe import HeadRecipe

_SHARE = 0.1


@dataclass(frozen=True)
class BootstrapSettings:
    """How the pool is pseudo-labelled. None stands for a default that depends on the pool: see `picks` and `decay`.

    The `top` of the pool become positives, the `bottom` negatives, in each of at most `rounds` rounds. The positive of
    rank r, counted from 0, has the soft label exp(−alpha · r). With `bottom_only` there are no positives. Raises
    DataError for values that cannot be used.
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
        """Numbers of positives and negatives from a pool of `pool` pictures.

        By default a tenth of the pool each, but no more than the rarer class has pictures (`rarer`): pseudo-labels
        must not outweigh true ones. Raises DataError where the two would overlap.
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
        """`alpha`, by default such that a rank just past the last positive would have the label 0.5."""
        return self.alpha if self.alpha is not None else math.log(2) / max(1, top)


@dataclass(frozen=True)
class Round:
    """One round, judged on held-out pictures.

    `auc` and `loss` (calibrated, class-balanced) are those after the round, `gain` is the paired change of the AUC with
    its 95 % interval. `top` and `bottom`: positions in the pool, most extreme first, as the model that is handed out
    would pick them.
    """

    auc: float
    loss: float
    gain: Interval
    kept: bool
    top: IntArray
    bottom: IntArray


@dataclass(frozen=True)
class Bootstrapped:
    """The refined layer and its calibration; `layer` is None where no round was kept.

    `auc` and `loss` are those before the first round. `held_out_scores`: calibrated scores of the pictures at
    `held_out` (see `nested_scores`). `folds` [held out]: which of the layer's siblings has not seen a picture; None
    where the head itself has seen none of them.
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
        return _history(self.loss, self.auc, self.rounds)


def bootstrap(
    start: StartingPoint,
    pool: Tensor,
    recipe: HeadRecipe,
    settings: BootstrapSettings,
    *,
    progress: ProgressCallback,
) -> Bootstrapped:
    """Refine the head of `start` with the `pool` [P, V, D], judged by cross-validation on the training pictures.

    A round is kept where `ranks_better` says so; the first that is not ends it, since the same model would pick the
    same pictures again. Raises DataError where a class has too few different pictures, or the pool is too small.
    """
    chains = FoldChains(start, recipe, settings.rounds, progress)
    held_out = chains.held_out
    labels, groups, folds = start.labels[held_out], start.groups[held_out], chains.folds[held_out]
    top, bottom = settings.picks(len(pool), int(np.bincount(start.labels, minlength=2).min()))
    alpha = settings.decay(top)
    kept, handed_out = chains.first_heads(Rows(pool[:0], pool.new_zeros(0))), start.layer.head
    by_round = [chains.held_out_logits(kept)]
    before_auc, before_loss = auc(by_round[0], labels), _mean_loss(by_round[0], labels)
    rounds: list[Round] = []
    for _ in range(settings.rounds):
        heads = chains.refit([pick(head, pool, top, bottom, alpha).rows for head in kept])
        by_round.append(chains.held_out_logits(heads))
        picked = pick(handed_out, pool, top, bottom, alpha)
        rounds.append(_judged(by_round[-2], by_round[-1], labels, groups, picked, recipe.seed))
        chains.progress.show(_history(before_loss, before_auc, rounds))
        if not rounds[-1].kept:
            break
        kept, handed_out = heads, chains.combined(heads)
    n_kept = sum(entry.kept for entry in rounds)
    # Where only one fold is judged it is split again.
    parts = assign_folds(labels, groups, FIFTHS, recipe.seed) if start.adapted else folds
    return Bootstrapped(
        layer=RewardProjectionLayer(handed_out, chains.siblings(kept)) if n_kept else None,
        calibration=fit_calibration(by_round[n_kept], labels),
        auc=before_auc,
        loss=before_loss,
        rounds=rounds,
        held_out=held_out,
        held_out_scores=nested_scores(dict(enumerate(by_round)), labels, parts, _last_kept),
        folds=None if start.adapted else folds,
        protocol="one fifth of the pictures, near-duplicates kept together"
        if start.adapted
        else f"{chains.count}-fold cross-validation, near-duplicates kept together, the pool only learned from",
    )


def ranks_better(before: FloatArray, after: FloatArray, labels: IntArray) -> bool:
    """Whether held-out logits improved, in a paired comparison.

    The AUC must not fall, and the calibrated loss must fall by more than the standard error of its paired change:
    chance alone would keep half of all useless rounds otherwise.
    """
    gain = calibrated_losses(before, labels) - calibrated_losses(after, labels)
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    return bool(auc(after, labels) >= auc(before, labels) and gain.mean() > error)


def _last_kept(by_round: HeldOut[int], labels: IntArray) -> int:
    """How many rounds these pictures would keep."""
    last = 0
    while last + 1 < len(by_round) and ranks_better(by_round[last], by_round[last + 1], labels):
        last += 1
    return last


def _history(loss: float, area: float, rounds: Sequence[Round]) -> History:
    return History(
        "before, then after each round",
        (loss, *(entry.loss for entry in rounds)),
        (area, *(entry.auc for entry in rounds)),
    )


@dataclass(frozen=True)
class Picked:
    """Pseudo-labelled rows, and their positions in the pool, most extreme first."""

    rows: Rows
    top: IntArray
    bottom: IntArray


def pick(head: Head, pool: Tensor, top: int, bottom: int, alpha: float) -> Picked:
    """The best `top` and the last `bottom` of the pool by the head's ranking."""
    with torch.no_grad():
        order = torch.argsort(head(pool[:, 0]), descending=True, stable=True)
    first, last = order[:top], order.flip(0)[:bottom]
    labels = torch.cat([torch.exp(-alpha * torch.arange(top)), torch.zeros(bottom)])
    return Picked(Rows(pool[torch.cat([first, last])], labels), first.numpy(), last.numpy())


def _judged(
    before: FloatArray, after: FloatArray, labels: IntArray, groups: IntArray, picked: Picked, seed: int
) -> Round:
    auc_after, auc_before = weighted_auc(after, labels), weighted_auc(before, labels)
    gain = bootstrap_interval(lambda w: auc_after(w) - auc_before(w), labels, groups, seed=seed)
    return Round(
        auc=auc(after, labels),
        loss=_mean_loss(after, labels),
        gain=gain,
        kept=ranks_better(before, after, labels),
        top=picked.top,
        bottom=picked.bottom,
    )


def _mean_loss(logits: FloatArray, labels: IntArray) -> float:
    return float(calibrated_losses(logits, labels).mean())
