"""Refitting a head with the hyperparameters of its training, pictures from a pool added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.splits import IntArray
from ...rewards.discriminator.heads import Head, LinearHead, PaperHead
from ...rewards.discriminator.readout import Block
from ..block_weights import block_weights
from ..cross_validation import validation_mask
from ..feature_rows import Rows
from ..head_config import HeadConfig
from ..head_fitting import fit_linear_heads, fit_mlp, fit_paper_head
from ..whitening import find_directions, fit_projection


@dataclass(frozen=True)
class HeadRecipe:
    """How a head is refitted: its hyperparameters, and the meaning of the feature columns.

    `nuisances` as in `balanced_columns`.
    """

    config: HeadConfig
    blocks: Sequence[Block]
    seed: int
    nuisances: Sequence[Tensor] = ()

    def fit(
        self, rows: Rows, groups: IntArray, picked: Rows, on_step: Callable[[], None] = lambda: None
    ) -> Head:
        """A new head for `rows`, given with their `groups`, and rows `picked` from a pool (may be none).

        The labels of `picked` may lie between 0 and 1. An MLP's early stop uses a fifth of `rows` alone, never
        pictures that the model itself labelled; so do the block weights.
        """
        kind = self.config.kind
        if kind == PaperHead.kind:
            return fit_paper_head(*self._split(rows, groups, picked), self.seed, lambda *_: on_step())
        joined, weights = _joined(rows, picked), block_weights(rows, self.blocks, self.nuisances)
        if kind == LinearHead.kind:
            assert self.config.whitening is not None
            assert self.config.penalty is not None
            directions = find_directions(joined, self.blocks, self.nuisances, weights)
            return fit_linear_heads(
                joined, directions, (self.config.penalty,), on_step, self.config.whitening
            )[0]
        projection = fit_projection(joined.flat()[0], self.blocks, self.nuisances, weights)
        training, validation = self._split(rows, groups, picked)
        return fit_mlp(training, validation, projection, self.seed, lambda *_: on_step())

    def _split(self, rows: Rows, groups: IntArray, picked: Rows) -> tuple[Rows, Rows]:
        """Training rows, `picked` among them, and validation rows."""
        aside = validation_mask(rows, groups, self.seed)
        return _joined(rows.take(~aside), picked), rows.take(aside)


def _joined(rows: Rows, picked: Rows) -> Rows:
    return Rows(torch.cat([rows.features, picked.features]), torch.cat([rows.labels, picked.labels]))
