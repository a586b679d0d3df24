from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from ganrm_core.selection.ranking import select_best
from ganrm_core.utils.errors import DataError

LOGITS = [0.0, 3.0, -1.0, 2.0, 1.0]  # from best to worst: 1 3 4 0 2
NOTHING_TO_GROUP: list[dict[str, Any]] = [{}, {"group_size": 4}, {"groups": []}]


class TestRules:
    @pytest.mark.parametrize(
        ("arguments", "kept", "rejected"),
        [
            ({}, (1,), (3, 4, 0, 2)),
            ({"keep": 3}, (1, 3, 4), (0, 2)),
            ({"keep": 3, "order": "as they came"}, (1, 3, 4), (0, 2)),
            ({"keep": 4, "order": "as they came"}, (0, 1, 3, 4), (2,)),
            ({"keep": 4}, (1, 3, 4, 0), (2,)),
            ({"keep": 99}, (1, 3, 4, 0, 2), ()),
            # The last group is shorter than the others.
            ({"group_size": 2}, (1, 3, 4), (0, 2)),
            ({"group_size": 3}, (1, 3), (0, 2, 4)),
            ({"group_size": 1}, (0, 1, 2, 3, 4), ()),
            ({"group_size": 99}, (1,), (3, 4, 0, 2)),
            # Groups come in the order of their first member.
            ({"groups": ["b", "a", "b", "a", "b"]}, (4, 1), (0, 2, 3)),
            ({"groups": ["b", "a", "b", "a", "b"], "keep": 2}, (4, 0, 1, 3), (2,)),
            (
                {"groups": ["b", "a", "b", "a", "b"], "keep": 2, "order": "as they came"},
                (0, 4, 1, 3),
                (2,),
            ),
        ],
    )
    def test_keep_groups_and_order(
        self, arguments: dict[str, Any], kept: tuple[int, ...], rejected: tuple[int, ...]
    ) -> None:
        selection = select_best(LOGITS, **arguments)
        assert selection.kept == kept
        assert selection.rejected == rejected

    @pytest.mark.parametrize(
        ("min_score", "min_keep", "kept"),
        [
            (0.0, 0, (1, 3, 4)),
            (0.7, 0, (1, 3)),
            (0.8, 0, (1,)),  # reached exactly
            (0.95, 0, ()),
            (0.95, 1, (1,)),
            (0.95, 3, (1, 3, 4)),
            (0.7, 1, (1, 3)),
        ],
    )
    def test_min_score_and_min_keep(self, min_score: float, min_keep: int, kept: tuple[int, ...]) -> None:
        scores = [0.4, 0.8, 0.2, 0.7, 0.6]
        selection = select_best(LOGITS, keep=3, scores=scores, min_score=min_score, min_keep=min_keep)
        assert selection.kept == kept

    def test_min_keep_holds_in_each_group_and_never_exceeds_it(self) -> None:
        selection = select_best(LOGITS, keep=3, scores=[0.1] * 5, min_score=0.5, min_keep=3, group_size=3)
        assert selection.kept == (1, 0, 2, 3, 4)

    def test_logits_rank_and_scores_only_admit(self) -> None:
        # Saturated scores say nothing about the order.
        selection = select_best([30.0, 50.0, 40.0], keep=2, scores=[1.0, 1.0, 1.0], min_score=0.5)
        assert selection.kept == (1, 2)

    def test_ties_keep_their_order(self) -> None:
        selection = select_best([1.0, 2.0, 1.0, 2.0, 1.0], keep=3)
        assert selection.kept == (1, 3, 0)
        assert selection.rejected == (2, 4)
        assert selection.ranks == (3, 1, 4, 2, 5)

    def test_arrays_serve_as_lists(self) -> None:
        logits: Any = np.array(LOGITS)
        scores: Any = np.array([0.4, 0.8, 0.2, 0.7, 0.6])
        selection = select_best(logits, keep=3, scores=scores, min_score=0.7)
        assert selection.kept == (1, 3)

    def test_ranks_and_groups(self) -> None:
        selection = select_best(LOGITS, group_size=3)
        assert selection.ranks == (2, 1, 3, 1, 2)
        assert selection.groups == ((0, 1, 2), (3, 4))

    def test_no_candidates(self) -> None:
        for arguments in NOTHING_TO_GROUP:
            selection = select_best([], **arguments)
            assert (selection.kept, selection.rejected, selection.ranks, selection.groups) == ((), (), (), ())


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"logits": [0.0, float("nan")]}, "Candidate 1 has the score nan"),
            ({"logits": [float("inf"), 0.0]}, "Candidate 0 has the score inf"),
            ({"keep": 0}, "keep is 0"),
            ({"min_keep": -1}, "min_keep is -1"),
            ({"keep": 2, "min_keep": 3}, "between 0 and keep"),
            ({"min_score": 0.5}, "min_score needs the calibrated scores"),
            ({"group_size": 2, "groups": [0] * 5}, "either group_size or groups"),
            ({"group_size": 0}, "group_size is 0"),
            ({"scores": [0.1]}, "5 candidates but 1 scores"),
            ({"groups": [0, 1]}, "5 candidates but 2 groups"),
        ],
    )
    def test_say_what_is_wrong(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(DataError, match=message):
            select_best(**{"logits": LOGITS, **arguments})

    @pytest.mark.parametrize(
        "arguments",
        [
            {"scores": [0.9, float("nan")], "min_score": 0.1},
            {"scores": [0.9, 0.8], "min_score": float("nan")},
            {"order": "best first"},
        ],
    )
    def test_refuse_what_would_pass_unnoticed(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(DataError):
            select_best([1.0, 2.0], **arguments)


@pytest.mark.parametrize("seed", range(60))
def test_what_holds_for_any_arguments(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(0, 14)
    logits = [float(rng.randint(-3, 3)) for _ in range(count)]
    scores = [rng.random() for _ in range(count)]
    keep = rng.randint(1, 4)
    min_score, min_keep = rng.choice([None, rng.random()]), rng.randint(0, keep)
    group_size = rng.choice([None, rng.randint(1, 5)])
    groups = [rng.choice("xyz") for _ in logits] if group_size is None and rng.random() < 0.5 else None
    selection = select_best(
        logits, keep=keep, scores=scores, min_score=min_score, min_keep=min_keep,
        group_size=group_size, groups=groups,
    )  # fmt: skip

    assert sorted(selection.kept + selection.rejected) == list(range(count))
    assert sorted(i for group in selection.groups for i in group) == list(range(count))
    for group in selection.groups:
        kept = [i for i in selection.kept if i in group]
        rejected = [i for i in selection.rejected if i in group]
        best_first = sorted(group, key=lambda i: (-logits[i], i))
        assert [selection.ranks[i] for i in best_first] == list(range(1, len(group) + 1))
        assert min(min_keep, len(group)) <= len(kept) <= keep or min_score is None
        assert len(kept) <= keep
        assert kept == [i for i in best_first if i in kept]
        assert rejected == [i for i in best_first if i in rejected]
        if min_score is None:
            assert kept == best_first[:keep]
        else:
            assert all(scores[i] >= min_score for i in kept[min_keep:])
            assert all(scores[i] < min_score or selection.ranks[i] > keep for i in rejected)
        if groups is not None:
            assert len({groups[i] for i in group}) == 1
