"""Cross-validated choice of a head and its held-out scores: the presets `default` and `paper` on a frozen backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data.splits import FIFTHS, FOLDS, IntArray, assign_folds, refuse_too_alike
from ..metrics.binary import FloatArray, auc
from ..metrics.calibration import Calibration, fit_calibration
from ..rewards.discriminator.heads import Head, LinearHead, PaperHead, ProjectedMLPHead, RewardProjectionLayer
from ..rewards.discriminator.lora_adapter import Adapter
from ..rewards.discriminator.readout import Block
from ..utils.parallel import WaitHooks, in_order, threads_to_share
from ..utils.progress import History, ProgressCallback
from .block_weights import block_weights
from .feature_rows import Rows
from .fit_progress import FitProgress
from .head_config import HeadConfig
from .head_fitting import fit_linear_heads, fit_mlp, fit_paper_head
from .model_selection import HeldOut, calibrated_losses, choose, hopeless, nested_scores
from .whitening import WHITENING, Directions, find_directions

_TRIAL_FOLDS = 2
"""Folds after which hopeless candidates are dropped."""
_MOST_BYTES, _COPIES = 1 << 30, 4
"""Memory for folds fitted at the same time, and how many times the features' size a fold takes."""
_PENALTIES = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
_LINEAR = [HeadConfig(LinearHead.kind, WHITENING, penalty) for penalty in _PENALTIES]
_MLP, _PAPER = HeadConfig(ProjectedMLPHead.kind), HeadConfig(PaperHead.kind)

Weigh = Callable[[Rows, Sequence[Block], Sequence[Tensor]], Tensor]
"""As `block_weights`."""
FitLinear = Callable[[Rows, Directions, Sequence[float], Callable[[], None]], list[LinearHead]]
"""As `fit_linear_heads`."""
FitAll = Callable[[Rows, IntArray, set[HeadConfig], FitProgress], dict[HeadConfig, Head]]
"""Fits every candidate on some pictures, given with their groups, but those already dropped (may grow meanwhile)."""


@dataclass(frozen=True)
class FitOptions:
    """How the candidates of `fit_default` are fitted.

    `nuisances`: per nuisance how features move under it, [M, D]; projected out, see `balanced_columns`.
    """

    nuisances: Sequence[Tensor] = ()
    weigh: Weigh = block_weights
    linear: FitLinear = fit_linear_heads


@dataclass(frozen=True)
class FittedHead:
    """A head, its calibration, and its metrics' basis: scores of held-out pictures.

    `held_out`: positions of the pictures judged; `held_out_scores`: their calibrated scores by heads that never saw
    them (see `nested_scores`); `protocol` says how. `config` is how the head was fitted, `candidate` the same in
    words, `history` the curve of the fit. `folds` [held out]: which of the layer's siblings judged a picture; without
    it the head itself did. `adapter` is already merged into the backbone.
    """

    layer: RewardProjectionLayer
    calibration: Calibration
    held_out: IntArray
    held_out_scores: FloatArray
    protocol: str
    config: HeadConfig
    candidate: str
    history: History
    folds: IntArray | None = None
    adapter: Adapter | None = None


def fit_default(
    rows: Rows,
    groups: IntArray,
    blocks: Sequence[Block],
    *,
    seed: int,
    progress: ProgressCallback,
    options: FitOptions | None = None,
) -> FittedHead:
    """The `default` preset: a regularised linear head, or the MLP where it is clearly better."""
    given = options or FitOptions()

    def fit_all(
        part: Rows, part_groups: IntArray, dropped: set[HeadConfig], steps: FitProgress
    ) -> dict[HeadConfig, Head]:
        weights = given.weigh(part, blocks, given.nuisances)
        directions = find_directions(part, blocks, given.nuisances, weights)
        fitted = given.linear(part, directions, _PENALTIES, steps.fitted)
        heads: dict[HeadConfig, Head] = dict(zip(_LINEAR, fitted, strict=True))
        if _MLP not in dropped:
            learned, validation = _inner_split(part, part_groups, seed)
            heads[_MLP] = fit_mlp(learned, validation, directions.views, seed, steps.epoch)
        steps.fitted()
        return heads

    paths = 1 if rows.features.shape[1] == 1 else 2
    steps = FitProgress(progress, FOLDS * (paths * len(_PENALTIES) + 1))
    candidates = Candidates(fit_all, _path_history, _threads_for(rows))
    return cross_validate(rows, groups, candidates, seed=seed, steps=steps)


def _path_history(held_out: HeldOut[HeadConfig], labels: IntArray) -> History:
    """Held-out loss and AUC along the regularisation path."""
    path = [held_out[config] for config in _LINEAR]
    return History(
        "regularisation",
        tuple(float(calibrated_losses(logits, labels).mean()) for logits in path),
        tuple(auc(logits, labels) for logits in path),
        choice=True,
    )


def fit_paper(rows: Rows, groups: IntArray, *, seed: int, progress: ProgressCallback) -> FittedHead:
    """The `paper` preset: one MLP on the embedding, one view per picture, early stop on AUC."""

    def fit_all(
        part: Rows, part_groups: IntArray, _dropped: set[HeadConfig], steps: FitProgress
    ) -> dict[HeadConfig, Head]:
        steps.history = None
        head = fit_paper_head(*_inner_split(part, part_groups, seed), seed, steps.epoch)
        steps.fitted()
        return {_PAPER: head}

    steps = FitProgress(progress, FOLDS, plots_epochs=True)
    return cross_validate(rows, groups, Candidates(fit_all), seed=seed, steps=steps)


def validation_mask(rows: Rows, groups: IntArray, seed: int) -> Tensor:
    """A fifth of the pictures [N], bool, which stop an MLP's training early instead of teaching it."""
    labels = rows.labels.numpy().astype(np.int64)
    return torch.from_numpy(assign_folds(labels, groups, FIFTHS, seed + 1) == 0)


def _inner_split(rows: Rows, groups: IntArray, seed: int) -> tuple[Rows, Rows]:
    """Training and validation rows."""
    aside = validation_mask(rows, groups, seed)
    return rows.take(~aside), rows.take(aside)


def _threads_for(rows: Rows) -> int:
    """Folds fitted at once: as many as there are cores, while memory suffices; 0 for none in threads."""
    threads = min(threads_to_share(), _MOST_BYTES // (_COPIES * rows.features.nbytes))
    return threads if threads > 1 else 0


@dataclass(frozen=True)
class Candidates:
    """The heads that compete.

    `history` draws the curve from held-out logits and labels; without it the last fit's epochs are kept. `threads`:
    so many folds are fitted at once.
    """

    fit_all: FitAll
    history: Callable[[HeldOut[HeadConfig], IntArray], History] | None = None
    threads: int = 0


def cross_validate(
    rows: Rows, groups: IntArray, candidates: Candidates, *, seed: int, steps: FitProgress
) -> FittedHead:
    """Fit all candidates without each fold in turn, and choose by what they say of it.

    The head is the mean of the folds' heads where these are linear, else it is fitted to all pictures. Raises
    DataError where a class has too few different pictures.
    """
    labels = rows.labels.numpy().astype(np.int64)
    refuse_too_alike(labels, groups)
    folds = assign_folds(labels, groups, FOLDS, seed)
    by_fold: list[dict[HeadConfig, Head]] = []
    held_out: dict[HeadConfig, FloatArray] = {}
    dropped: set[HeadConfig] = set()

    def fit_fold(fold: int) -> tuple[dict[HeadConfig, Head], dict[HeadConfig, FloatArray]]:
        outside, inside = folds != fold, folds == fold
        heads = candidates.fit_all(rows.take(torch.from_numpy(outside)), groups[outside], dropped, steps)
        held_back = rows.take(torch.from_numpy(inside))
        return heads, {config: _logits(head, held_back) for config, head in heads.items()}

    threads = candidates.threads
    for fold, (heads, logits_of) in enumerate(
        in_order(
            range(FOLDS),
            fit_fold,
            threads=threads,
            ahead=threads,
            share=True,
            hooks=WaitHooks(steps.report, steps.leave),
        )
    ):  # fmt: skip
        by_fold.append(heads)
        for config, logits in logits_of.items():
            held_out.setdefault(config, np.zeros(len(labels)))[folds == fold] = logits
        judged = folds <= fold
        so_far = {config: logits[judged] for config, logits in held_out.items()}
        if fold + 1 == _TRIAL_FOLDS:
            dropped |= hopeless(so_far, labels[judged])
        if candidates.history:
            steps.show(candidates.history(so_far, labels[judged]))
    held_out = {config: logits for config, logits in held_out.items() if config not in dropped}
    chosen = choose(held_out, labels)
    siblings = [heads[chosen] for heads in by_fold]
    final: Head | None = mean_of_linear(siblings)
    if final is None:
        steps.add_fold(FOLDS)
        final = candidates.fit_all(rows, groups, dropped, steps)[chosen]
    return FittedHead(
        layer=RewardProjectionLayer(final, siblings),
        calibration=fit_calibration(held_out[chosen], labels),
        held_out=np.arange(len(labels)),
        held_out_scores=nested_scores(held_out, labels, folds, choose),
        protocol=f"{FOLDS}-fold cross-validation, near-duplicates kept together",
        config=chosen,
        candidate=chosen.description,
        history=steps.history or History("epoch"),
        folds=folds,
    )


def mean_of_linear(siblings: Sequence[Head]) -> LinearHead | None:
    """The mean of the folds' heads as one head, where all are linear.

    It ranks a little better than one fitted to all folds at once, and costs no fit (bagging, Breiman 1996).
    """
    linear = [head for head in siblings if isinstance(head, LinearHead)]
    return LinearHead.mean_of(linear) if len(linear) == len(siblings) else None


def _logits(head: Head, rows: Rows) -> FloatArray:
    """Logits [N] of the plain views."""
    with torch.no_grad():
        logits: FloatArray = head(rows.features[:, 0]).double().numpy()
    return logits
