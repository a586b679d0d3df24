"""`select_best` on scores alone: groups, minimum scores, ranks, errors."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from ganrm_core.selection.non_finite import INVALID_LOGIT
from ganrm_core.selection.ranking import CandidateScores, Selection, select_best
from ganrm_core.selection.settings import SelectionSettings
from ganrm_core.utils.errors import DataError

LOGITS = [0.0, 3.0, -1.0, 2.0, 1.0]  # from best to worst: 1 3 4 0 2
SCORES = [0.4, 0.8, 0.2, 0.7, 0.6]
BABAB: dict[str, Any] = {"groups": ["b", "a", "b", "a", "b"]}
NAN, INF = math.nan, math.inf


def select(
    logits: Any = LOGITS, scores: Any = None, uncertainties: Any = None, groups: Any = None, **settings: Any
) -> Selection:
    return select_best(CandidateScores(logits, scores, uncertainties), SelectionSettings(**settings), groups)


@pytest.mark.parametrize(
    ("arguments", "kept", "rejected"),
    [
        ({}, (1,), (3, 4, 0, 2)),
        ({"keep": 3}, (1, 3, 4), (0, 2)),
        ({"keep": 4, "order": "as they came"}, (0, 1, 3, 4), (2,)),
        ({"keep": 99}, (1, 3, 4, 0, 2), ()),
        # The last group is shorter than the others.
        ({"group_size": 2}, (1, 3, 4), (0, 2)),
        # Groups come in the order of their first member.
        ({**BABAB, "keep": 2}, (4, 0, 1, 3), (2,)),
        ({**BABAB, "keep": 2, "order": "as they came"}, (0, 4, 1, 3), (2,)),
        # A minimum score, which may be reached exactly, and a minimum number.
        ({"keep": 3, "scores": SCORES, "min_score": 0.8}, (1,), (3, 4, 0, 2)),
        ({"keep": 3, "scores": SCORES, "min_score": 0.95, "min_keep": 1}, (1,), (3, 4, 0, 2)),
        ({"keep": 3, "scores": SCORES, "min_score": 0.7, "min_keep": 1}, (1, 3), (4, 0, 2)),
        ({"keep": 3, "scores": [0.1] * 5, "min_score": 0.5, "min_keep": 3, "group_size": 3}, (1, 0, 2, 3, 4), ()),
        # Logits rank even where scores are saturated; equal logits keep their order.
        ({"logits": [30.0, 50.0, 40.0], "scores": [1.0] * 3, "keep": 2, "min_score": 0.5}, (1, 2), (0,)),
        ({"logits": [1.0, 2.0, 1.0, 2.0, 1.0], "keep": 3}, (1, 3, 0), (2, 4)),
        ({"logits": np.array(LOGITS), "scores": np.array(SCORES), "keep": 3, "min_score": 0.7}, (1, 3), (4, 0, 2)),
        # Invalid candidates come last and are never kept.
        ({"logits": [-INF, 2.0, -3.0, -INF, -INF, 1.0], "keep": 3, "group_size": 3}, (1, 2, 5), (0, 3, 4)),
        ({"logits": [-INF, 0.0], "scores": [0.0, 0.5], "keep": 2, "min_score": 0.9, "min_keep": 2}, (1,), (0,)),
    ],
)  # fmt: skip
def test_kept_and_rejected(
    arguments: dict[str, Any], kept: tuple[int, ...], rejected: tuple[int, ...]
) -> None:
    selection = select(**arguments)
    assert (selection.kept, selection.rejected) == (kept, rejected)


def test_ranks_and_groups() -> None:
    selection = select([INVALID_LOGIT, 3.0, -1.0, 2.0, INVALID_LOGIT], group_size=3)
    assert selection.ranks == (3, 1, 2, 1, 2)
    assert selection.groups == ((0, 1, 2), (3, 4))
    assert selection.invalid == (0, 4)
    for groups in ({}, {"group_size": 4}, {"groups": []}):
        assert select([], **groups) == Selection((), (), (), ())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"logits": [0.0, NAN]}, "Candidate 1 has the score nan"),
        ({"logits": [INF, 0.0]}, "Candidate 0 has the score inf"),
        ({"keep": 0}, "keep is 0"),
        ({"min_keep": -1}, "min_keep is -1"),
        ({"keep": 2, "min_keep": 3}, "between 0 and keep"),
        ({"min_score": 0.5}, "min_score needs the calibrated scores"),
        ({"scores": SCORES, "min_score": NAN}, "min_score is not a number"),
        ({"scores": [0.9, NAN, 0, 0, 0]}, "Candidate 1 has the score nan"),
        ({"group_size": 2, "groups": [0] * 5}, "either group_size or groups"),
        ({"group_size": 0}, "group_size is 0"),
        ({"scores": [0.1]}, "5 candidates but 1 scores"),
        ({"groups": [0, 1]}, "5 candidates but 2 groups"),
        ({"order": "best first"}, "no order 'best first'"),
        ({"ties": "by luck"}, "no way to break ties called 'by luck'"),
        ({"ties": "surer first", "uncertainties": [0.0]}, "5 candidates but 1 uncertainties"),
        ({"ties": "surer first", "uncertainties": [0, NAN, 0, 0, 0]}, "Candidate 1 has the uncertainty nan"),
    ],
)
def test_errors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        select(**arguments)


@pytest.mark.parametrize("seed", range(60))
def test_invariants_for_any_arguments(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(0, 14)
    logits = [float(rng.randint(-3, 3)) for _ in range(count)]
    scores = [rng.random() for _ in range(count)]
    keep = rng.randint(1, 4)
    min_score, min_keep = rng.choice([None, rng.random()]), rng.randint(0, keep)
    group_size = rng.choice([None, rng.randint(1, 5)])
    groups = [rng.choice("xyz") for _ in logits] if group_size is None and rng.random() < 0.5 else None
    selection = select(
        logits, scores, groups=groups, keep=keep, min_score=min_score, min_keep=min_keep, group_size=group_size
    )  # fmt: skip

    assert sorted(selection.kept + selection.rejected) == list(range(count))
    assert sorted(i for group in selection.groups for i in group) == list(range(count))
    for group in selection.groups:
        kept = [i for i in selection.kept if i in group]
        rejected = [i for i in selection.rejected if i in group]
        best_first = sorted(group, key=lambda i: (-logits[i], i))
        assert [selection.ranks[i] for i in best_first] == list(range(1, len(group) + 1))
        assert len(kept) <= keep
        assert kept == [i for i in best_first if i in kept]
        assert rejected == [i for i in best_first if i in rejected]
        if min_score is None:
            assert kept == best_first[:keep]
        else:
            assert len(kept) >= min(min_keep, len(group))
            assert all(scores[i] >= min_score for i in kept[min_keep:])
            assert all(scores[i] < min_score or selection.ranks[i] > keep for i in rejected)
        if groups is not None:
            assert len({groups[i] for i in group}) == 1
