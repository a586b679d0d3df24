"""Leader clustering: who joins whom, in which order, and in how much memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from ganrm_core.data.leader_clustering import group_around_leaders
from ganrm_core.utils.errors import DataError


def turned(*degrees: float) -> np.ndarray:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


ALIKE = float(np.cos(np.deg2rad(15)))


def leaders(vectors: np.ndarray, order: list[int], **more: object) -> list[int]:
    return list(group_around_leaders(vectors, order, ALIKE, **more))  # type: ignore[arg-type]


def test_a_chain_does_not_join_what_is_not_alike() -> None:
    chain = turned(0, 10, 20, 30, 40)
    assert leaders(chain, [0, 1, 2, 3, 4]) == [0, 0, 2, 2, 4]
    assert leaders(chain, [2, 0, 1, 3, 4]) == [0, 2, 2, 2, 4]


def test_the_most_similar_leader_is_joined_not_the_first() -> None:
    assert leaders(turned(0, 20, 11), [0, 1, 2]) == [0, 1, 1]


def test_only_pictures_near_in_sequence_join() -> None:
    same = turned(0, 0, 0, 0)
    places = np.array([0, 1, 5, 6])
    assert leaders(same, [1, 3, 0, 2], places=places, within=1) == [1, 1, 3, 3]


def test_blocks_give_what_a_plain_loop_gives() -> None:
    random = np.random.default_rng(3)
    centres = random.normal(size=(90, 8))
    vectors = (centres[random.integers(0, 90, 1500)] + 0.12 * random.normal(size=(1500, 8))).astype(
        np.float32
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = [int(i) for i in random.permutation(1500)]
    expected: dict[int, int] = {}
    found: list[int] = []
    for row in order:
        similar = [float(vectors[row] @ vectors[leader]) for leader in found]
        if similar and max(similar) >= ALIKE:
            expected[row] = found[int(np.argmax(similar))]
        else:
            found.append(row)
            expected[row] = row
    assert leaders(vectors, order) == [expected[row] for row in range(1500)]
    assert 50 < len(found) < 1000


def test_memory_does_not_grow_with_the_square() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(6000, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tracemalloc.start()
    group_around_leaders(vectors, range(6000), 0.999)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 12 << 20  # all similarities would be 144 MB


def test_what_cannot_be_grouped() -> None:
    with pytest.raises(DataError, match="finite"):
        leaders(np.array([[np.nan, 0.0]], dtype=np.float32), [0])
    with pytest.raises(DataError, match="other rows than the 2 signatures"):
        leaders(turned(0, 1), [0, 0])
