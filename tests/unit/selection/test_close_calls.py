"""Close calls, and ties broken by uncertainty."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ganrm_core.selection.close_calls import MARGIN, close_call, close_calls_text, log_odds
from ganrm_core.selection.ranking import CandidateScores, Selection, select_best
from ganrm_core.selection.settings import SelectionSettings


def score(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


SCORES = [score(odds) for odds in (0.0, 3.0, 2.5, 1.8, 1.95, -4.0)]
RANKED = [1, 2, 4, 3, 0, 5]


def test_log_odds_invert_the_score_and_are_finite_at_the_ends() -> None:
    for odds in (-9.0, -0.5, 0.0, 2.0, 11.0):
        assert log_odds(score(odds)) == pytest.approx(odds, rel=1e-4, abs=1e-9)
    assert 15 < log_odds(1.0) < 20
    assert log_odds(0.0) == pytest.approx(-log_odds(1.0))


@pytest.mark.parametrize(
    ("keep", "least", "expected"),
    [
        (1, None, (1, 2, 4)),  # 3.0 against 2.5 and 1.95; 1.8 is 1.2 away
        (2, None, (1, 2, 4, 3)),
        (3, None, (2, 4, 3)),  # 1 lies 1.2 above the best rejected
        (4, None, ()),  # 1.8 against 0
        (6, None, ()),
        (9, None, ()),
        (1, 2.0, (1, 2)),  # the others miss the minimum score
        (1, 2.7, ()),
        (1, 99.0, ()),
    ],
)
def test_candidates_that_could_change_places(
    keep: int, least: float | None, expected: tuple[int, ...]
) -> None:
    assert close_call(RANKED, SCORES, keep, None if least is None else score(least)) == expected


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_margin_is_three_to_one(keep: int) -> None:
    def run(gap: float) -> tuple[int, ...]:
        return close_call(range(keep + 1), [score(1.0)] * keep + [score(1.0 - gap)], keep)

    assert score(MARGIN) == pytest.approx(0.75)
    assert close_call([], [], 1) == close_call([0], [0.5], 1) == ()
    assert close_call([0, 1], [1.0, 1.0], 1) == (0, 1), "saturated scores are not clear"
    assert run(MARGIN * 1.001) == ()
    assert run(MARGIN * 0.999) == tuple(range(keep + 1))


def test_text() -> None:
    assert close_calls_text([()]) == close_calls_text([]) == ""
    for calls, text in (
        ([(2, 6)], "3 and 7 are too close to call"),
        ([(2, 6, 0, 1)], "3, 7, 1 and 2 are too close to call"),
        ([(2, 6, 0, 1, 8, 9)], "3, 7, 1 and 3 more are too close to call"),
        ([(), (2, 6), ()], "group 2: 3 and 7 are too close to call"),
        ([(0, 1), (2, 6), ()], "too close to call in 2 of 3 groups"),
    ):
        assert close_calls_text(calls) == text
    assert close_calls_text([(), (1, 0)], ["a", "b"]) == "b and a are too close to call"


LOGITS = (0.0, 3.0, 2.9, 2.7, 0.1, -9.0)


def select(logits: Any = LOGITS, scores: Any = None, uncertainties: Any = None, **settings: Any) -> Selection:
    scores = [score(logit) for logit in logits] if scores is None else scores
    uncertainties = (0.0, 1.0, 0.8, 0.2, 0.0, 0.0) if uncertainties is None else uncertainties
    candidates = CandidateScores(logits, scores, uncertainties)
    return select_best(candidates, SelectionSettings(**{"ties": "surer first", **settings}))


class TestSelection:
    def test_surer_first_ranks_close_calls_by_logit_less_uncertainty(self) -> None:
        selection = select()
        assert (selection.kept, selection.rejected) == ((3,), (2, 1, 4, 0, 5))
        assert (selection.ranks, selection.close) == ((5, 3, 2, 1, 4, 6), ((1, 2, 3),))
        assert select([3.0, 2.9, 0.0, -4.0, -math.inf, 1.0], group_size=2).close == ((0, 1), (), ())

    def test_only_close_calls_change_places(self) -> None:
        assert select(uncertainties=(0, 9, 0, 0, 0, 0)).ranks == (5, 3, 1, 2, 4, 6)
        assert select(keep=3) == select(keep=3, ties="by score")
        assert select(scores=[score(40 * (logit - 2.8)) for logit in LOGITS]).kept == (1,)
        assert select(min_score=score(2.8)).kept == (2,)

    def test_uncalibrated_scores_have_no_close_calls(self) -> None:
        candidates = CandidateScores(LOGITS, LOGITS)
        selection = select_best(candidates, SelectionSettings(ties="surer first"))
        assert (selection.kept, selection.close) == ((1,), ())
