"""Per-fold chains of refitted heads for self-training: no head of a fold's chain has seen that fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...data.splits import FIFTHS, FOLDS, IntArray, assign_folds, refuse_too_alike
from ...metrics.binary import FloatArray
from ...rewards.discriminator.heads import Head, LinearHead, RewardProjectionLayer
from ...utils.progress import ProgressCallback
from ..cross_validation import mean_of_linear
from ..feature_rows import Rows
from ..fit_progress import FitProgress
from .head_recipe import HeadRecipe


@dataclass(frozen=True)
class StartingPoint:
    """The head to refine, `layer`, and the pictures to refine it with, in near-duplicate `groups` [N].

    `same_folds`: the layer's siblings were fitted without the folds that the recipe's seed gives for these pictures.
    `adapted`: `layer` and the features come from a backbone that saw all of a fifth's complement, through LoRA: only
    that fifth can be judged.
    """

    rows: Rows
    groups: IntArray
    layer: RewardProjectionLayer
    same_folds: bool = False
    adapted: bool = False

    @property
    def labels(self) -> IntArray:
        return self.rows.labels.numpy().astype(np.int64)


class FoldChains:
    """The heads of all chains, refitted round by round.

    A fold reaches no head of its chain, neither as pictures nor through labels given to the pool: each chain ranks the
    pool by itself. The combined head is the mean of linear heads; for other kinds one more chain is fitted to all
    pictures; with `adapted` there is the one chain alone.
    """

    def __init__(
        self, start: StartingPoint, recipe: HeadRecipe, rounds: int, progress: ProgressCallback
    ) -> None:
        """Raises DataError where a class has too few different pictures."""
        labels, siblings = start.labels, start.layer.siblings
        refuse_too_alike(labels, start.groups)
        self._start, self._recipe = start, recipe
        # The siblings of a model trained by another version may belong to more or fewer folds.
        self._has_siblings = start.same_folds and not start.adapted and len(siblings) > 1
        self.count = FIFTHS if start.adapted else len(siblings) if self._has_siblings else FOLDS
        self.folds = assign_folds(labels, start.groups, self.count, recipe.seed)
        judged = range(1) if start.adapted else range(self.count)
        self.held_out = np.flatnonzero(np.isin(self.folds, judged))
        self._averaged = recipe.config.kind == LinearHead.kind and not start.adapted
        self._parts = [np.flatnonzero(self.folds != fold) for fold in judged]
        if not start.adapted and not self._averaged:
            self._parts.append(np.arange(len(labels)))
        without_pool = 0 if start.adapted or self._has_siblings else self.count
        fits = rounds * len(self._parts) + without_pool
        self.progress = FitProgress(progress, fits, stage="bootstrapping")

    def first_heads(self, no_rows: Rows) -> list[Head]:
        """The heads before the first round: the model's own, or fitted anew where its folds are not known."""
        start = self._start
        if start.adapted:
            return [start.layer.head]
        heads: list[Head] = (
            [*start.layer.siblings]  # type: ignore[list-item]
            if self._has_siblings
            else [self._fit(part, no_rows) for part in self._parts[: self.count]]
        )
        return heads if self._averaged else [*heads, start.layer.head]

    def refit(self, picked: Sequence[Rows]) -> list[Head]:
        """New heads, each with the rows that its chain picked from the pool."""
        return [self._fit(part, rows) for part, rows in zip(self._parts, picked, strict=True)]

    def combined(self, heads: Sequence[Head]) -> Head:
        """The head to hand out."""
        mean = mean_of_linear(heads) if self._averaged else None
        return heads[-1] if mean is None else mean

    def siblings(self, heads: Sequence[Head]) -> Sequence[Head]:
        return [] if self._start.adapted else heads[: self.count]

    def held_out_logits(self, heads: Sequence[Head]) -> FloatArray:
        """Logits of the pictures at `held_out`, each by the head of its fold."""
        logits = np.zeros(len(self.folds))
        with torch.no_grad():
            for fold in np.unique(self.folds[self.held_out]):
                inside = self.folds == fold
                features = self._start.rows.features[torch.from_numpy(inside), 0]
                logits[inside] = heads[fold](features).double().numpy()
        return logits[self.held_out]

    def _fit(self, part: IntArray, picked: Rows) -> Head:
        rows, groups = self._start.rows.take(torch.from_numpy(part)), self._start.groups[part]
        head = self._recipe.fit(rows, groups, picked, self.progress.report)
        self.progress.fitted()
        return head
