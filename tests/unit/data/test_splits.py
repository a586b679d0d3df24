"""Stratified group folds."""

from __future__ import annotations

import numpy as np
import pytest

from ganrm_core.data.splits import assign_folds


@pytest.mark.parametrize("seed", range(6))
def test_groups_stay_whole_and_classes_even(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [60, 100])
    # Some groups hold both classes.
    groups = np.where(rng.random(160) < 0.3, rng.integers(0, 12, 160), 1000 + np.arange(160))
    folds = assign_folds(labels, groups, 5, seed)
    for group in np.unique(groups):
        assert len(set(folds[groups == group])) == 1
    for label, ideal in ((1, 12), (0, 20)):
        counts = np.bincount(folds[labels == label], minlength=5)
        assert np.abs(counts - ideal).max() <= 3


def test_classes_are_spread_evenly_and_one_large_group_gets_a_fold_of_its_own() -> None:
    labels = np.repeat([1, 0], [33, 57])
    folds = assign_folds(labels, np.arange(90), 5, seed=0)
    for mask in (labels == 1, labels == 0, labels >= 0):
        assert np.ptp(np.bincount(folds[mask], minlength=5)) <= 1
    labels, groups = np.repeat([1, 0], 50), np.r_[np.zeros(20, int), np.arange(1, 81)]
    folds = assign_folds(labels, groups, 5, seed=0)
    liked = np.bincount(folds[labels == 1], minlength=5)
    assert liked[folds[0]] == 20
    assert np.ptp(np.delete(liked, folds[0])) <= 1


def test_the_seed_decides_and_names_of_groups_do_not() -> None:
    labels, groups = np.repeat([1, 0], 30), np.arange(60) // 3
    first = assign_folds(labels, groups, 5, 1)
    assert (first == assign_folds(labels, groups * 7 + 100, 5, 1)).all()
    assert (first != assign_folds(labels, groups, 5, 2)).any()
