"""Near-duplicates across the two folders, re-saved or edited, tested against random splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...data.splits import IntArray
from .permutation_test import PERMUTATIONS

_LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Copies:
    """Shares of the pictures (of all, of the liked, of the ordinary) with a near-copy in the other folder.

    `separates`: more than in every one of 999 random splits of the same pictures, and at least 2 %. `pair`: an
    example, positions of a liked and an ordinary picture.
    """

    share: float
    share_of_liked: float
    share_of_ordinary: float
    separates: bool
    pair: tuple[int, int] | None


def copies_across(labels: IntArray, groups: IntArray, *, seed: int) -> Copies:
    """Count the pictures whose group of near-duplicates spans both folders."""
    group_of = np.unique(groups, return_inverse=True)[1]
    spanning = _spans(labels, group_of)
    crossing = spanning[group_of]
    share = float(crossing.mean())
    pair = None
    if spanning.any():
        members = group_of == np.flatnonzero(spanning)[0]
        pair = tuple(int(np.flatnonzero(members & (labels == label))[0]) for label in (1, 0))
    rng = np.random.default_rng(seed)
    beyond_chance = share >= _LEAST_SHARE and all(
        share > _spans(rng.permutation(labels), group_of)[group_of].mean() for _ in range(PERMUTATIONS)
    )
    return Copies(
        share=share,
        share_of_liked=float(crossing[labels == 1].mean()),
        share_of_ordinary=float(crossing[labels == 0].mean()),
        separates=beyond_chance,
        pair=None if pair is None else (pair[0], pair[1]),
    )


def _spans(labels: IntArray, group_of: IntArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mask over the groups: those with pictures of both classes."""
    count = np.bincount(group_of)
    liked = np.bincount(group_of, labels, len(count))
    return np.asarray((liked > 0) & (liked < count))
