"""Leader clustering of similar pictures in order of preference (greedy non-maximum suppression).

Unlike connected components, no chain joins pictures that are not alike: every member resembles the leader of its group.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..utils.errors import DataError
from ..utils.progress import Progress, ProgressCallback, no_progress

_ROWS = 512  # rows compared at a time: 512 × 20,000 similarities are 40 MB


def group_around_leaders(
    signatures: NDArray[np.float32],
    order: Sequence[int],
    threshold: float,
    *,
    places: NDArray[np.int64] | None = None,
    within: int = 0,
    progress: ProgressCallback = no_progress,
) -> NDArray[np.int64]:
    """The leader [N] (position of a row) of each row of unit vectors [N, D]; leaders lead themselves.

    Rows are taken in `order`, best first: one whose cosine similarity to a leader reaches `threshold` joins the most
    similar of them, any other becomes a leader. With `places` [N], only rows at most `within` apart are compared. Takes
    N·K·D multiplications for K leaders, and memory for N + 512·K numbers beside the input; `progress` is called before
    every 512 rows. Raises `DataError` for anything but finite vectors and an order of all of them.
    """
    if signatures.ndim != 2 or not np.isfinite(signatures).all():
        raise DataError(f"Expected finite signatures [N, D], got the shape {signatures.shape}.")
    count = len(signatures)
    if sorted(order) != list(range(count)):
        raise DataError(f"The order names other rows than the {count} signatures. Name each once.")
    leader_of = np.arange(count)
    leaders: list[int] = []
    for start in range(0, count, _ROWS):
        progress(Progress("comparing pictures", start, count))
        rows = np.asarray(order[start : start + _ROWS])
        best, nearest = _nearest(signatures, rows, np.asarray(leaders, dtype=np.int64), places, within)
        inside = _similarities(signatures, rows, rows, places, within)
        for position, row in enumerate(rows):
            if best[position] >= threshold:
                leader_of[row] = nearest[position]
                continue
            leaders.append(int(row))
            closer = inside[:, position] > best
            best[closer], nearest[closer] = inside[closer, position], row
    progress(Progress("comparing pictures", count, count))
    return leader_of


def _nearest(
    signatures: NDArray[np.float32],
    rows: NDArray[np.int64],
    leaders: NDArray[np.int64],
    places: NDArray[np.int64] | None,
    within: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """For each of `rows` the similarity of the most similar leader, and which it is; −2 where there is none."""
    best = np.full(len(rows), -2, dtype=np.float32)
    nearest = np.zeros(len(rows), dtype=np.int64)
    for start in range(0, len(leaders), _ROWS):
        some = leaders[start : start + _ROWS]
        similar = _similarities(signatures, rows, some, places, within)
        closest = similar.argmax(axis=1)
        values = similar[np.arange(len(rows)), closest]
        closer = values > best
        best[closer], nearest[closer] = values[closer], some[closest[closer]]
    return best, nearest


def _similarities(
    signatures: NDArray[np.float32],
    rows: NDArray[np.int64],
    others: NDArray[np.int64],
    places: NDArray[np.int64] | None,
    within: int,
) -> NDArray[np.float32]:
    """Cosine similarities [rows, others]; −2 for pairs that are too far apart."""
    similar: NDArray[np.float32] = signatures[rows] @ signatures[others].T
    if places is not None:
        similar[np.abs(places[rows][:, None] - places[others]) > within] = -2
    return similar
