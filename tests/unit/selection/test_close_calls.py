"""What is too close to call, and what is done about it."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from ganrm_core.selection.close_calls import MARGIN, close_calls, in_words, log_odds, surest_first, too_close
from ganrm_core.selection.ranking import select_best
from ganrm_core.utils.errors import DataError


def score(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


SCORES = [score(odds) for odds in (0.0, 3.0, 2.5, 1.8, 1.95, -4.0)]
RANKED = [1, 2, 4, 3, 0, 5]


def test_the_margin_is_three_to_one() -> None:
    assert score(MARGIN) == pytest.approx(0.75)


class TestLogOdds:
    def test_undoes_the_score(self) -> None:
        for odds in (-9.0, -0.5, 0.0, 2.0, 11.0):
            assert log_odds(score(odds)) == pytest.approx(odds, rel=1e-4, abs=1e-9)

    def test_is_finite_at_the_ends(self) -> None:
        assert 15 < log_odds(1.0) < 20
        assert log_odds(0.0) == pytest.approx(-log_odds(1.0))


class TestTooClose:
    @pytest.mark.parametrize(
        ("keep", "expected"),
        [
            (1, (1, 2, 4)),  # 3.0 against 2.5 and 1.95; 1.8 is 1.2 away
            (2, (1, 2, 4, 3)),
            (3, (2, 4, 3)),  # 1 lies 1.2 above the best of the others
            (4, ()),  # 1.8 against 0
            (6, ()),
            (9, ()),
        ],
    )
    def test_who_could_change_places(self, keep: int, expected: tuple[int, ...]) -> None:
        assert too_close(RANKED, SCORES, keep) == expected

    @pytest.mark.parametrize("keep", [1, 2, 3])
    def test_by_a_hair_more_than_the_margin_it_is_clear(self, keep: int) -> None:
        def run(gap: float) -> tuple[int, ...]:
            scores = [score(1.0)] * keep + [score(1.0 - gap)]
            return too_close(range(keep + 1), scores, keep)

        assert run(MARGIN * 1.001) == ()
        assert run(MARGIN * 0.999) == tuple(range(keep + 1))

    def test_equal_ones_are(self) -> None:
        assert too_close([0, 1], [1.0, 1.0], 1) == (0, 1)

    def test_what_misses_the_minimum_does_not_compete(self) -> None:
        assert too_close(RANKED, SCORES, 1, min_score=score(2.0)) == (1, 2)
        assert too_close(RANKED, SCORES, 1, min_score=score(2.7)) == ()
        assert too_close(RANKED, SCORES, 1, min_score=1.0) == ()

    def test_alone_or_nobody(self) -> None:
        assert too_close([], [], 1) == ()
        assert too_close([0], [0.5], 1) == ()

    def test_groups(self) -> None:
        logits = [2 * log_odds(value) for value in SCORES]
        assert close_calls([(2, 1), (0, 3), (5,)], logits, SCORES, 1) == ((1, 2), (), ())


class TestWords:
    @pytest.mark.parametrize(
        ("calls", "words"),
        [
            ([()], ""),
            ([], ""),
            ([(2, 6)], "3 and 7 are too close to call"),
            ([(2, 6, 0)], "3, 7 and 1 are too close to call"),
            ([(2, 6, 0, 1)], "3, 7, 1 and 2 are too close to call"),
            ([(2, 6, 0, 1, 8, 9)], "3, 7, 1 and 3 more are too close to call"),
            ([(), (2, 6), ()], "group 2: 3 and 7 are too close to call"),
            ([(0, 1), (2, 6), ()], "too close to call in 2 of 3 groups"),
        ],
    )
    def test_counted_from_one(self, calls: list[tuple[int, ...]], words: str) -> None:
        assert in_words(calls) == words

    def test_by_name(self) -> None:
        assert in_words([(), (1, 0)], ["a", "b"]) == "b and a are too close to call"


class TestSurerFirst:
    LOGITS = (0.0, 3.0, 2.9, 2.7, 0.1, -9.0)
    UNCERTAINTIES = (0.0, 1.0, 0.8, 0.2, 0.0, 0.0)

    def select(self, **changes: Any) -> Any:
        arguments: dict[str, Any] = {
            "logits": self.LOGITS,
            "scores": [score(logit) for logit in self.LOGITS],
            "uncertainties": self.UNCERTAINTIES,
            "ties": "surer first",
            **changes,
        }
        return select_best(**arguments)

    def test_by_what_the_model_is_sure_of(self) -> None:
        assert surest_first((1, 2, 3), self.LOGITS, self.UNCERTAINTIES) == [3, 2, 1]
        selection = self.select()
        assert selection.kept == (3,)
        assert selection.ranks == (5, 3, 2, 1, 4, 6)
        assert selection.rejected == (2, 1, 4, 0, 5)

    def test_only_those_too_close_to_call_change_places(self) -> None:
        assert self.select(uncertainties=(0, 9, 0, 0, 0, 0)).ranks == (5, 3, 1, 2, 4, 6)
        assert self.select(keep=3) == self.select(keep=3, ties="by score")
        assert self.select(scores=[score(20 * logit) for logit in self.LOGITS]).kept == (3,)
        far_apart = [score(40 * (logit - 2.8)) for logit in self.LOGITS]
        assert self.select(scores=far_apart).kept == (1,)

    def test_the_minimum_score_holds(self) -> None:
        selection = self.select(min_score=score(2.8))
        assert selection.kept == (2,)

    @pytest.mark.parametrize("missing", ["scores", "uncertainties"])
    def test_without_figures_it_goes_by_score(self, missing: str) -> None:
        assert self.select(**{missing: None}).kept == (1,)

    def test_equal_uncertainties_change_nothing(self) -> None:
        rng = random.Random(3)
        for _ in range(40):
            logits = [rng.choice([0.0, 0.5, 1.0, 3.0]) for _ in range(7)]
            arguments: dict[str, Any] = {"scores": [score(logit) for logit in logits], "keep": 2}
            assert select_best(
                logits, ties="surer first", uncertainties=[0.4] * 7, **arguments
            ) == select_best(logits, **arguments)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"ties": "by luck"}, "no way to break ties called 'by luck'"),
            ({"uncertainties": [0.0]}, "6 candidates but 1 uncertainties"),
            ({"uncertainties": [0.0, math.nan, 0, 0, 0, 0]}, "Candidate 1 has the uncertainty nan"),
        ],
    )
    def test_errors(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(DataError, match=message):
            self.select(**changes)

    def test_uncertainties_nobody_asked_about_are_not_looked_at(self) -> None:
        assert self.select(ties="by score", uncertainties=[math.nan]).kept == (1,)
