"""A small, quick classifier, and a test of whether what it finds could be chance."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.splits import IntArray
from ...metrics.binary import FloatArray

PERMUTATIONS = 999
_FEW = 200
_PENALTY = 0.03  # of the columns' variance
_BINS = 8
_RAREST = 0.02  # share of the pictures that a value must have to get a column of its own
_AT_ONCE = 1 << 22  # numbers held at a time


def numbers(values: Sequence[float] | FloatArray, bins: int = _BINS) -> list[FloatArray]:
    """Columns that let a linear classifier draw any curve over a number: itself, its square, its bins."""
    column = np.asarray(values, dtype=float)
    spread = column.std()
    if spread < 1e-9:
        return []
    standard = np.clip((column - column.mean()) / spread, -5, 5)
    edges = np.unique(np.quantile(column, np.linspace(0, 1, bins + 1)[1:-1]))
    binned = np.searchsorted(edges, column)
    return [standard, standard**2, *classes(binned.tolist())]


def classes(values: Sequence[Hashable]) -> list[FloatArray]:
    """A column for each value that is not rare: 1 where a picture has it, else 0."""
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
    """Scores of every picture by a ridge regression that has not seen its fold.

    `labels` [N], or [N, R] for R labellings at once: the regression is linear in the labels, so that
    all of them cost little more than one. Returns the same shape. Without columns all scores are 0.
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
    """Whether hardly any relabelling of the pictures is predicted as well as the true one (p ≤ .001).

    Judged by the correlation of held-out scores and labels: of few pictures, many relabellings are
    ranked perfectly by some accident, but none is predicted as surely. An exact test: labels are
    exchanged among whole groups inside each fold, and inside the groups that hold both. Source:
    Ojala & Garriga 2010, with the exchange restricted as in Good 2005.
    """
    reached = float(_correlations(held_out_scores(columns, labels, folds), labels)) - 1e-6
    rng = np.random.default_rng(seed)
    # Of few pictures there are few relabellings, and the true one comes up again by itself.
    total, allowed = (PERMUTATIONS, 0) if len(labels) > _FEW else (5 * PERMUTATIONS + 4, 4)
    at_once = int(np.clip(_AT_ONCE // len(labels), 1, 500))
    relabelled = _Relabelling(labels, groups, folds)
    equalled = 0
    for start in range(0, total, at_once):
        drawn = relabelled.draw(min(at_once, total - start), rng)
        equalled += int((_correlations(held_out_scores(columns, drawn, folds), drawn) >= reached).sum())
        if equalled > allowed:
            return False
    return True


def _correlations(scores: FloatArray, labels: NDArray[Any]) -> FloatArray:
    """Of each column of `scores` with the same of `labels`; 0 where one of them does not vary."""
    score, label = scores - scores.mean(axis=0), labels - labels.mean(axis=0)
    norm = np.sqrt((score**2).sum(axis=0) * (label**2).sum(axis=0))
    return np.asarray((score * label).sum(axis=0) / np.maximum(norm, 1e-12))


class _Relabelling:
    """Draws labellings that are as likely as the true one where the pictures do not differ."""

    def __init__(self, labels: IntArray, groups: IntArray, folds: IntArray) -> None:
        _, first, self._group_of = np.unique(groups, return_index=True, return_inverse=True)
        share = np.bincount(self._group_of, labels) / np.bincount(self._group_of)
        pure = (share == 0) | (share == 1)
        self._labels, self._label_of_group = labels, labels[first]
        self._by_fold = [np.flatnonzero(pure & (folds[first] == fold)) for fold in np.unique(folds)]
        self._mixed = [np.flatnonzero(self._group_of == group) for group in np.flatnonzero(~pure)]

    def draw(self, number: int, rng: np.random.Generator) -> IntArray:
        """[N, number]"""
        of_group = np.repeat(self._label_of_group[:, None], number, axis=1)
        for members in self._by_fold:
            of_group[members] = rng.permuted(of_group[members], axis=0)
        drawn: IntArray = of_group[self._group_of]
        for members in self._mixed:
            drawn[members] = rng.permuted(np.repeat(self._labels[members, None], number, axis=1), axis=0)
        return drawn
