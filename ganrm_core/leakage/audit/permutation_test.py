"""Ridge-regression classifier with held-out scores, and a permutation test of its accuracy."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.splits import IntArray
from ...metrics.binary import FloatArray

PERMUTATIONS = 999
_FEW = 200  # pictures, below which there are more permutations
_PENALTY = 0.03  # of the ridge regression, as a share of the columns' variance
_BINS = 8
_RAREST = 0.02  # share of the pictures from which on a value gets its own column
_AT_ONCE = 1 << 22  # labels × permutations held in memory


def numbers(values: Sequence[float] | FloatArray, bins: int = _BINS) -> list[FloatArray]:
    """Columns of a numeric feature for a linear classifier: standardised, squared, and one-hot quantile bins."""
    column = np.asarray(values, dtype=float)
    spread = column.std()
    if spread < 1e-9:
        return []
    standard = np.clip((column - column.mean()) / spread, -5, 5)
    edges = np.unique(np.quantile(column, np.linspace(0, 1, bins + 1)[1:-1]))
    binned = np.searchsorted(edges, column)
    return [standard, standard**2, *classes(binned.tolist())]


def classes(values: Sequence[Hashable]) -> list[FloatArray]:
    """One-hot columns of a categorical feature, one for each value that is not rare."""
    count: dict[Hashable, int] = {}
    for value in values:
        count[value] = count.get(value, 0) + 1
    least = max(2, _RAREST * len(values))
    return [
        np.array([float(value == one) for value in values])
        for one, number in count.items()
        if least <= number < len(values)
    ]


def held_out_scores(columns: Sequence[FloatArray], labels: NDArray[Any], folds: IntArray) -> FloatArray:
    """Held-out scores of every picture by ridge regression, fitted on the other folds.

    `labels` [N], or [N, R] for R labellings at once: the regression is linear in the labels, so all of them cost
    little more than one. Returns the same shape; zeros without columns.
    """
    targets = np.asarray(labels, dtype=float).reshape(len(labels), -1)
    scores: FloatArray = np.zeros_like(targets)
    if not columns:
        return scores.reshape(np.shape(labels))
    table = np.stack(columns, axis=1)
    table = (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-9)
    for fold in np.unique(folds):
        inside, outside = folds == fold, folds != fold
        centre = table[outside].mean(axis=0)
        rows = table[outside] - centre
        gram = rows.T @ rows + _PENALTY * len(rows) * np.eye(rows.shape[1])
        weights = np.linalg.solve(gram, rows.T @ (targets[outside] - targets[outside].mean(axis=0)))
        scores[inside] = (table[inside] - centre) @ weights
    # Equal pictures must tie, whatever the order of the additions.
    return np.asarray(np.round(scores, 9), dtype=float).reshape(np.shape(labels))


def is_beyond_chance(
    columns: Sequence[FloatArray], labels: IntArray, groups: IntArray, folds: IntArray, *, seed: int
) -> bool:
    """Permutation test: whether the true labels are predicted better than permuted ones (p ≤ .001).

    The statistic is the correlation of held-out scores and labels: with few pictures, many permutations are
    ranked perfectly by accident, but none is predicted as surely. Exact: labels are exchanged among whole groups
    inside each fold, and inside the groups that hold both. Source: Ojala & Garriga 2010, with the exchange
    restricted as in Good 2005.
    """
    reached = float(_correlations(held_out_scores(columns, labels, folds), labels)) - 1e-6
    rng = np.random.default_rng(seed)
    # Few pictures have few permutations, and the identity is drawn again by chance.
    total, allowed = (PERMUTATIONS, 0) if len(labels) > _FEW else (5 * PERMUTATIONS + 4, 4)
    at_once = int(np.clip(_AT_ONCE // len(labels), 1, 500))
    permutations = _RestrictedPermutations(labels, groups, folds)
    equalled = 0
    for start in range(0, total, at_once):
        drawn = permutations.draw(min(at_once, total - start), rng)
        equalled += int((_correlations(held_out_scores(columns, drawn, folds), drawn) >= reached).sum())
        if equalled > allowed:
            return False
    return True


def _correlations(scores: FloatArray, labels: NDArray[Any]) -> FloatArray:
    """Pearson correlation of each column of `scores` with that of `labels`; 0 where one of them is constant."""
    score, label = scores - scores.mean(axis=0), labels - labels.mean(axis=0)
    norm = np.sqrt((score**2).sum(axis=0) * (label**2).sum(axis=0))
    return np.asarray((score * label).sum(axis=0) / np.maximum(norm, 1e-12))


class _RestrictedPermutations:
    """Label permutations that are exchangeable under the null: of whole groups per fold, and inside mixed groups."""

    def __init__(self, labels: IntArray, groups: IntArray, folds: IntArray) -> None:
        _, first, self._group_of = np.unique(groups, return_index=True, return_inverse=True)
        share = np.bincount(self._group_of, labels) / np.bincount(self._group_of)
        pure = (share == 0) | (share == 1)
        self._labels, self._label_of_group = labels, labels[first]
        self._by_fold = [np.flatnonzero(pure & (folds[first] == fold)) for fold in np.unique(folds)]
        self._mixed = [np.flatnonzero(self._group_of == group) for group in np.flatnonzero(~pure)]

    def draw(self, number: int, rng: np.random.Generator) -> IntArray:
        """Permuted labels [N, number]."""
        of_group = np.repeat(self._label_of_group[:, None], number, axis=1)
        for members in self._by_fold:
            of_group[members] = rng.permuted(of_group[members], axis=0)
        drawn: IntArray = of_group[self._group_of]
        for members in self._mixed:
            drawn[members] = rng.permuted(np.repeat(self._labels[members, None], number, axis=1), axis=0)
        return drawn
