"""Fitting a head afresh, in the way that training chose, with pictures from a pool added."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.splits import IntArray
from ...rewards.discriminator.heads import Head, LinearHead, PaperHead, ProjectedMLPHead
from ...rewards.discriminator.readout import Block
from ...utils.errors import DataError
from ..block_weights import block_weights
from ..cross_validation import set_aside
from ..feature_rows import Rows
from ..head_fitting import fit_linear_heads, fit_mlp, fit_paper_head
from ..whitening import find_directions, fit_projection

_LINEAR = re.compile(r"linear, whitening (?P<power>[0-9.]+), penalty (?P<penalty>[0-9.e-]+)")
_LORA_POWER, _LORA_PENALTY = 0.5, 0.1
"""Of heads trained with LoRA, which chooses none: what that starts from."""


@dataclass(frozen=True)
class HeadRecipe:
    """How one kind of head is fitted: `nuisances` as `balanced_columns` takes them, the rest of a linear one."""

    kind: str
    blocks: Sequence[Block]
    seed: int
    nuisances: Sequence[Tensor] = ()
    power: float = 0.0
    penalty: float = 0.0

    def fit(
        self, rows: Rows, groups: IntArray, picked: Rows, on_step: Callable[[], None] = lambda: None
    ) -> Head:
        """A new head for `rows`, given with their `groups`, and rows `picked` from a pool, maybe none.

        The labels of `picked` may lie between 0 and 1. An MLP stops by a fifth of `rows` alone: what the
        model itself labelled must not judge it.
        """
        whole = _joined(rows, picked)
        if self.kind == LinearHead.kind:
            directions = find_directions(whole, self.blocks, self.nuisances, self._weights(rows))
            return fit_linear_heads(whole, directions, (self.penalty,), on_step, self.power)[0]
        aside = set_aside(rows, groups, self.seed)
        fitted, validation = _joined(rows.take(~aside), picked), rows.take(aside)

        def on_epoch(_loss: float, _auc: float) -> None:
            on_step()

        if self.kind == PaperHead.kind:
            return fit_paper_head(fitted, validation, self.seed, on_epoch)
        projection = fit_projection(whole.flat()[0], self.blocks, self.nuisances, self._weights(rows))
        return fit_mlp(fitted, validation, projection, self.seed, on_epoch)

    def _weights(self, rows: Rows) -> Tensor:
        """Of the training pictures alone: the model's own labels must not say where to look."""
        return block_weights(rows, self.blocks, self.nuisances)


def recipe_of(
    kind: str,
    candidate: str,
    blocks: Sequence[Block],
    nuisances: Sequence[Tensor],
    *,
    seed: int,
) -> HeadRecipe:
    """How the head of a model was fitted: its `kind` and what cross-validation chose, in words.

    Raises DataError for what this version cannot fit.
    """
    if kind in (ProjectedMLPHead.kind, PaperHead.kind):
        return HeadRecipe(kind, blocks, seed, nuisances)
    if kind == LinearHead.kind and "LoRA" in candidate:
        return HeadRecipe(kind, blocks, seed, nuisances, _LORA_POWER, _LORA_PENALTY)
    found = _LINEAR.fullmatch(candidate) if kind == LinearHead.kind else None
    try:
        power, penalty = (float(found[name]) for name in ("power", "penalty")) if found else (0.0, 0.0)
    except ValueError:
        penalty = 0.0
    if penalty <= 0:
        raise DataError(
            f"This model's card does not say how its head was fitted in a way this version can repeat "
            f"({candidate!r}). Train it anew with this version, then refine that."
        )
    return HeadRecipe(kind, blocks, seed, nuisances, power, penalty)


def _joined(rows: Rows, picked: Rows) -> Rows:
    return Rows(torch.cat([rows.features, picked.features]), torch.cat([rows.labels, picked.labels]))
