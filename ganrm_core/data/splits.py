"""Stratified group k-fold splits: near-duplicates stay in one fold, classes are spread evenly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..utils.errors import DataError

FOLDS = 10
FIFTHS = 5
"""Number of folds: `FOLDS` for cross-validation whose heads are averaged, `FIFTHS` elsewhere and for a single split."""
_LEAST_GROUPS = 5  # of near-duplicates in each class
IntArray = NDArray[np.int64]


def assign_folds(labels: IntArray, groups: IntArray, folds: int, seed: int) -> IntArray:
    """Fold number of each picture [N]: groups stay whole, both classes spread evenly, deterministic by `seed`."""
    rng = np.random.default_rng(seed)
    _, group_of = np.unique(groups, return_inverse=True)
    sizes = np.zeros((group_of.max() + 1, 2), dtype=np.int64)
    np.add.at(sizes, (group_of, labels), 1)
    filled = np.zeros((folds, 2))
    fold_of_group = np.empty(len(sizes), dtype=np.int64)
    shuffled = rng.permutation(len(sizes))
    for group in shuffled[np.argsort(-sizes[shuffled].sum(axis=1), kind="stable")]:
        # The fold with the fewest pictures of the classes in this group; ties go to the smallest fold.
        need = (filled * (sizes[group] > 0)).sum(axis=1)
        fold = int(np.lexsort((filled.sum(axis=1), need))[0])
        fold_of_group[group] = fold
        filled[fold] += sizes[group]
    return fold_of_group[group_of]


def refuse_too_alike(labels: IntArray, groups: IntArray) -> None:
    """Raise DataError where a class has too few groups of near-duplicates to hold some out."""
    for name, label in (("liked", 1), ("ordinary", 0)):
        different = len(np.unique(groups[labels == label]))
        if different < _LEAST_GROUPS:
            raise DataError(
                f"The {name} pictures are nearly all the same: only {different} different ones, near-duplicates "
                f"counted once. At least {_LEAST_GROUPS} are needed, many more are better."
            )
