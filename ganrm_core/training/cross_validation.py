"""Choosing a head, and judging it honestly, when pictures are few."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data.splits import FIFTHS, FOLDS, IntArray, assign_folds, refuse_too_alike
from ..metrics.binary import FloatArray, auc, class_weights
from ..metrics.calibration import Calibration, fit_calibration
from ..rewards.discriminator.heads import Head, LinearHead, RewardProjectionLayer
from ..rewards.discriminator.lora_adapter import Adapter
from ..rewards.discriminator.readout import Block
from ..utils.parallel import WaitHooks, in_order, threads_to_share
from ..utils.progress import History, Progress, ProgressCallback
from .block_weights import block_weights
from .feature_rows import Rows
from .head_fitting import fit_linear_heads, fit_mlp, fit_paper_head
from .whitening import WHITENING, Directions, find_directions

_TRIAL_FOLDS = 2
"""After so many it is looked which candidates are hopeless."""
_MOST_BYTES, _COPIES = 1 << 30, 4
"""Memory for folds fitted at the same time, and how many times the features' size a fold takes."""
_MLP = "mlp"
_PENALTIES = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)

FitAll = Callable[[Rows, IntArray, "_Steps"], dict[str, Head]]
"""Fits every candidate head on some pictures (given with their groups), by the candidate's name."""
Weigh = Callable[[Rows, Sequence[Block], Sequence[Tensor]], Tensor]
"""As `block_weights`."""
FitLinear = Callable[[Rows, Directions, Sequence[float], Callable[[], None]], list[LinearHead]]
"""As `fit_linear_heads`."""


@dataclass(frozen=True)
class FittedHead:
    """A head, its calibration, and what held-out pictures say of it.

    `held_out` are the positions of the pictures judged, `held_out_scores` their calibrated scores by
    heads that never saw them (see `_honest_scores`), and `protocol` says how. `candidate`
    names the head chosen, `history` how its fit went. `folds` says for each picture judged which of the
    layer's siblings judged it; without it the head itself did. `adapter` is already merged into the backbone.
    """

    layer: RewardProjectionLayer
    calibration: Calibration
    held_out: IntArray
    held_out_scores: FloatArray
    protocol: str
    candidate: str
    history: History
    folds: IntArray | None = None
    adapter: Adapter | None = None


class _Steps:
    """Reports every candidate fitted, and every epoch in between, so that a cancel is never far off.

    What a thread of its own has done is reported by the caller's, which looks up often; once that has left, such a
    thread ends at its next step.
    """

    def __init__(self, progress: ProgressCallback, total: int, *, plots_epochs: bool = False) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._plots_epochs = plots_epochs
        self._caller, self._counting, self._left = threading.current_thread(), threading.Lock(), False
        self.history: History | None = None
        self.report()

    def report(self) -> None:
        if threading.current_thread() is self._caller:
            self._progress(Progress("fitting", self._done, self._total, history=self.history))
        elif self._left:
            raise _LeftError

    def leave(self) -> None:
        self._left = True

    def one_fold_more(self) -> None:
        """For the fit of the head that is kept: its epochs are what there is to plot."""
        self._total += self._total // FOLDS
        self.history, self._plots_epochs = None, True

    def fitted(self) -> None:
        with self._counting:
            self._done += 1
        self.report()

    def epoch(self, loss: float, auc_value: float) -> None:
        if self._plots_epochs:
            past = self.history or History("epoch")
            self.history = History("epoch", (*past.loss, loss), (*past.auc, auc_value))
        self.report()


class _LeftError(Exception):
    """Ends a thread whose result nobody waits for any more."""


def fit_default(
    rows: Rows,
    groups: IntArray,
    blocks: Sequence[Block],
    *,
    nuisances: Sequence[Tensor] = (),
    seed: int,
    progress: ProgressCallback,
    weigh: Weigh = block_weights,
    linear: FitLinear = fit_linear_heads,
) -> FittedHead:
    """The `default` preset: a regularised linear head, or the MLP where it is clearly better.

    `nuisances` are what it must not react to, see `balanced_columns`. `weigh` says how much each block counts,
    `linear` fits the linear candidates.
    """

    def fit_all(part: Rows, part_groups: IntArray, steps: _Steps) -> dict[str, Head]:
        directions = find_directions(part, blocks, nuisances, weigh(part, blocks, nuisances))
        fitted = linear(part, directions, _PENALTIES, steps.fitted)
        heads: dict[str, Head] = dict(zip(map(_linear_name, _PENALTIES), fitted, strict=True))
        if _MLP not in given_up:
            learned, validation = _inner_split(part, part_groups, seed)
            heads[_MLP] = fit_mlp(learned, validation, directions.views, seed, steps.epoch)
        steps.fitted()
        return heads

    given_up: set[str] = set()
    paths = 1 if rows.features.shape[1] == 1 else 2
    steps = _Steps(progress, FOLDS * (paths * len(_PENALTIES) + 1))
    threads = _threads_for(rows)
    return _cross_validate(
        rows, groups, fit_all, _path_history, seed=seed, steps=steps, threads=threads, given_up=given_up
    )


def _linear_name(penalty: float) -> str:
    return f"linear, whitening {WHITENING}, penalty {penalty}"


def _path_history(held_out: dict[str, FloatArray], labels: IntArray) -> History:
    """Held-out loss and AUC along the penalties."""
    path = [held_out[_linear_name(penalty)] for penalty in _PENALTIES]
    return History(
        "regularisation",
        tuple(float(_losses(logits, labels).mean()) for logits in path),
        tuple(auc(logits, labels) for logits in path),
        choice=True,
    )


def fit_paper(rows: Rows, groups: IntArray, *, seed: int, progress: ProgressCallback) -> FittedHead:
    """The `paper` preset: one MLP on the embedding, one view per picture, early stop on AUC."""

    def fit_all(part: Rows, part_groups: IntArray, steps: _Steps) -> dict[str, Head]:
        steps.history = None
        head = fit_paper_head(*_inner_split(part, part_groups, seed), seed, steps.epoch)
        steps.fitted()
        return {"paper mlp": head}

    return _cross_validate(
        rows, groups, fit_all, None, seed=seed, steps=_Steps(progress, FOLDS, plots_epochs=True)
    )


def set_aside(rows: Rows, groups: IntArray, seed: int) -> Tensor:
    """Which pictures [N] stop an MLP's training early instead of teaching it: a fifth."""
    labels = rows.labels.numpy().astype(np.int64)
    return torch.from_numpy(assign_folds(labels, groups, FIFTHS, seed + 1) == 0)


def _inner_split(rows: Rows, groups: IntArray, seed: int) -> tuple[Rows, Rows]:
    """All but a fifth, and that fifth for the early stop."""
    aside = set_aside(rows, groups, seed)
    return rows.take(~aside), rows.take(aside)


def _threads_for(rows: Rows) -> int:
    """How many folds at once: as many as there are cores, while there is memory for what each works on."""
    threads = min(threads_to_share(), _MOST_BYTES // (_COPIES * rows.features.nbytes))
    return threads if threads > 1 else 0


def _cross_validate(
    rows: Rows,
    groups: IntArray,
    fit_all: FitAll,
    history_of: Callable[[dict[str, FloatArray], IntArray], History] | None,
    *,
    seed: int,
    steps: _Steps,
    threads: int = 0,
    given_up: set[str] | None = None,
) -> FittedHead:
    """`history_of` draws the history from held-out logits; without it the last fit's epochs are kept.

    `threads`: so many folds at once. Candidates that turn out to be hopeless are put into `given_up`, if given:
    `fit_all` need not fit them any more.
    """
    labels = rows.labels.numpy().astype(np.int64)
    refuse_too_alike(labels, groups)
    folds = assign_folds(labels, groups, FOLDS, seed)

    def fit_fold(fold: int) -> tuple[dict[str, Head], dict[str, FloatArray]]:
        outside, inside = folds != fold, folds == fold
        heads = fit_all(rows.take(torch.from_numpy(outside)), groups[outside], steps)
        held_back = rows.take(torch.from_numpy(inside))
        return heads, {name: _logits(head, held_back) for name, head in heads.items()}

    by_fold: list[dict[str, Head]] = []
    held_out: dict[str, FloatArray] = {}
    for fold, (heads, logits_of) in enumerate(
        in_order(
            range(FOLDS),
            fit_fold,
            threads=threads,
            ahead=threads,
            share=True,
            hooks=WaitHooks(steps.report, steps.leave),
        )
    ):
        by_fold.append(heads)
        for name, logits in logits_of.items():
            held_out.setdefault(name, np.zeros(len(labels)))[folds == fold] = logits
        judged = folds <= fold
        if given_up is not None and fold + 1 == _TRIAL_FOLDS:
            given_up |= _hopeless({n: v[judged] for n, v in held_out.items()}, labels[judged])
        if history_of:
            steps.history = history_of({n: v[judged] for n, v in held_out.items()}, labels[judged])
            steps.report()
    held_out = {name: logits for name, logits in held_out.items() if name not in (given_up or ())}
    candidate = _choose(held_out, labels)
    siblings = [heads[candidate] for heads in by_fold]
    final: Head | None = mean_of_linear(siblings)
    if final is None:
        steps.one_fold_more()
        final = fit_all(rows, groups, steps)[candidate]
    return FittedHead(
        layer=RewardProjectionLayer(final, siblings),
        calibration=fit_calibration(held_out[candidate], labels),
        held_out=np.arange(len(labels)),
        held_out_scores=_honest_scores(held_out, labels, folds),
        protocol=f"{FOLDS}-fold cross-validation, near-duplicates kept together",
        candidate=candidate,
        history=steps.history or History("epoch"),
        folds=folds,
    )


def mean_of_linear(siblings: Sequence[Head]) -> LinearHead | None:
    """The head that stands for heads of several folds: their mean, which only linear ones have as one head.

    It ranks a little better than one fitted to all folds at once, and costs no fit (bagging, Breiman 1996).
    """
    linear = [head for head in siblings if isinstance(head, LinearHead)]
    return LinearHead.mean_of(linear) if len(linear) == len(siblings) else None


def _choose(held_out: dict[str, FloatArray], labels: IntArray) -> str:
    """The candidate with the lowest held-out loss; an MLP must win by two standard errors.

    The loss is taken after calibration, so that only the ranking and its confidence count, not the
    scale of the logits.
    """
    losses = {name: _losses(logits, labels) for name, logits in held_out.items()}
    best, linear = _lowest(losses), _linear(losses)
    if linear and best not in linear and _lead(losses[best], losses[_lowest(linear)]) < 2:
        return _lowest(linear)
    return best


def _hopeless(held_out: dict[str, FloatArray], labels: IntArray) -> set[str]:
    """Those behind the best linear candidate: over all pictures they would have to lead by two standard errors."""
    if len(np.unique(labels)) < 2:
        return set()
    losses = {name: _losses(logits, labels) for name, logits in held_out.items()}
    rival = losses[_lowest(_linear(losses))]
    return {name for name in set(losses) - set(_linear(losses)) if _lead(losses[name], rival) < 0}


def _linear(losses: dict[str, FloatArray]) -> dict[str, FloatArray]:
    return {name: loss for name, loss in losses.items() if name.startswith("linear")}


def _lowest(losses: dict[str, FloatArray]) -> str:
    return min(losses, key=lambda name: float(losses[name].mean()))


def _lead(losses: FloatArray, others: FloatArray) -> float:
    """By how many standard errors these losses are lower than the others, picture by picture."""
    gain = others - losses
    return float(gain.mean() / max(gain.std() / np.sqrt(len(gain)), 1e-12))


def _losses(logits: FloatArray, labels: IntArray) -> FloatArray:
    score = np.clip(fit_calibration(logits, labels).scores(logits), 1e-7, 1 - 1e-7)
    return np.asarray(-np.log(np.where(labels == 1, score, 1 - score)) * class_weights(labels))


def _honest_scores(held_out: dict[str, FloatArray], labels: IntArray, folds: IntArray) -> FloatArray:
    """Scores of each fold by the candidate and the calibration that the other folds would choose.

    The head never saw the fold. Choice and calibration rest on the other folds' logits alone, though
    the heads behind *those* had seen it: nesting fully would cost five times as much, and shuffled
    labels show no gain from it.
    """
    scores = np.zeros(len(labels))
    for fold in np.unique(folds):
        inside, outside = folds == fold, folds != fold
        candidate = _choose({name: logits[outside] for name, logits in held_out.items()}, labels[outside])
        calibration = fit_calibration(held_out[candidate][outside], labels[outside])
        scores[inside] = calibration.scores(held_out[candidate][inside])
    return scores


def _logits(head: Head, rows: Rows) -> FloatArray:
    with torch.no_grad():
        logits: FloatArray = head(rows.features[:, 0]).double().numpy()
    return logits
