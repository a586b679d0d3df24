"""Comparison before and after: win rate, paired differences, prompt adherence, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ganrm_core.metrics.binary import Interval
from ganrm_core.post_training.comparison import (
    UNKNOWN,
    Change,
    Comparison,
    change_of,
    paired_difference,
    prompt_kept,
    representative,
    verdict,
    wilson_interval,
    win_rate,
)

NAN = math.nan
GOOD = Comparison(
    pairs=64,
    prompts=8,
    wins=Interval(0.7, 0.6, 0.8),
    reward=Change(0.4, 0.6, Interval(0.5, 0.3, 0.7)),
    judge=Change(0.4, 0.4, Interval(-0.01, -0.1, 0.08)),
    diversity=0.95,
    prompt_kept=Interval(0.97, 0.9, 1.1),
)


def covered(
    statistic: Callable[..., Interval], draw: Callable[[Any], Any], truth: float, runs: int = 300
) -> float:
    """How often the interval holds the truth."""
    rng = np.random.default_rng(0)
    found = [statistic(*draw(rng)) for _ in range(runs)]
    return sum(each.low <= truth <= each.high for each in found) / runs


class TestWinRate:
    def test_ties_count_half_and_spoilt_pairs_not_at_all(self) -> None:
        assert win_rate([[0, 0, 0, NAN, 1]], [[1, 0, -1, 9, math.inf]]).value == pytest.approx(0.5)

    def test_the_interval_is_wilsons(self) -> None:
        interval = win_rate([[0.0] * 10], [[1.0] * 8 + [-1.0] * 2])
        # Wilson 1927 by hand for 8 of 10.
        assert (interval.low, interval.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)

    def test_it_keeps_a_width_where_every_pair_is_won(self) -> None:
        interval = win_rate(np.zeros((8, 8)), np.ones((8, 8)))
        assert interval.high == 1.0
        assert 0.9 < interval.low < 0.95
        assert (wilson_interval(NAN, 0).low, wilson_interval(NAN, 0).high) == (0.0, 1.0)

    def test_pictures_of_one_prompt_are_no_independent_evidence(self) -> None:
        """Prompts won and lost as a whole: 16 prompts say as much as 16 pairs, not as 160."""
        after = np.repeat(np.where(np.arange(16) < 12, 1.0, -1.0)[:, None], 10, axis=1)
        clustered, independent = (
            win_rate(np.zeros((16, 10)), after),
            win_rate([[0.0] * 160], after.reshape(1, 160)),
        )
        assert clustered.value == independent.value == 0.75
        assert clustered.high - clustered.low > 2.5 * (independent.high - independent.low)

    def test_it_holds_the_truth_as_often_as_it_says(self) -> None:
        def draw(rng: Any) -> Any:
            prompts = rng.normal(size=(12, 1))
            return np.zeros((12, 8)), prompts + rng.normal(size=(12, 8))

        assert covered(win_rate, draw, 0.5) > 0.92


class TestDifference:
    def test_with_few_prompts_the_error_is_within_prompts(self) -> None:
        """Prompts that changed by very different amounts do not widen it: they are the prompts asked about."""
        interval = paired_difference(np.zeros((2, 4)), [[1, 1.1, 0.9, 1], [9, 9.1, 8.9, 9]])
        assert interval.value == pytest.approx(5)
        assert interval.high - interval.low < 0.3

    def test_with_enough_prompts_they_are_the_sample(self) -> None:
        changes = np.arange(10.0)
        interval = paired_difference(np.zeros((10, 5)), np.repeat(changes[:, None], 5, axis=1))
        # Student's t with 9 degrees of freedom on the ten means.
        assert interval.high - 4.5 == pytest.approx(2.2622 * changes.std(ddof=1) / math.sqrt(10), abs=1e-3)

    @pytest.mark.parametrize("prompts", [3, 12])
    def test_it_holds_the_truth_as_often_as_it_says(self, prompts: int) -> None:
        own = 2.0 * (prompts >= 8)

        def draw(rng: Any) -> Any:
            before = rng.normal(size=(prompts, 6)) * 5
            return before, before + 1 + own * rng.normal(size=(prompts, 1)) + rng.normal(size=(prompts, 6))

        assert 0.92 < covered(paired_difference, draw, 1.0) < 0.98

    @pytest.mark.parametrize("after", [[[2.0]], [[NAN, NAN]]])
    def test_too_little_says_nothing(self, after: list[list[float]]) -> None:
        interval = paired_difference(np.zeros((1, len(after[0]))), after)
        assert (interval.low, interval.high) == (-math.inf, math.inf)

    def test_a_change_has_scores_to_read_and_logits_to_test(self) -> None:
        change = change_of(([[0.0, 2.0]], [[0.5, 0.9]]), ([[1.0, NAN]], [[0.7, NAN]]))
        assert (change.before, change.after, change.difference.value) == (0.5, 0.7, 1.0)


class TestPromptKept:
    def test_it_is_the_share_of_the_gain(self) -> None:
        kept = prompt_kept([[1.0, 1.2, 0.8, NAN]], [[0.5, 0.6, 0.4, 9.0]])
        assert kept.to_json() == pytest.approx([0.5] * 3)

    def test_its_interval_holds_the_truth_as_often_as_it_says(self) -> None:
        def draw(rng: Any) -> Any:
            before = 1 + 0.5 * rng.normal(size=(4, 8))
            return before, 0.8 * before + 0.5 * rng.normal(size=(4, 8))

        assert 0.92 < covered(prompt_kept, draw, 0.8) < 0.98

    @pytest.mark.parametrize("gains", [[[0.1, -0.1, 0.2, -0.2]], [[-1.0, -1.1]], [[1.0]], [[NAN, NAN]]])
    def test_a_judge_that_sees_no_prompts_is_not_asked(self, gains: list[list[float]]) -> None:
        assert math.isnan(prompt_kept(gains, gains).value)


class TestVerdict:
    def test_all_good(self) -> None:
        assert verdict(GOOD) == verdict(replace(GOOD, judge=None))
        assert verdict(GOOD).keep
        assert verdict(GOOD).sentence == "Keep this LoRA: the reward rose, and nothing speaks against it."

    @pytest.mark.parametrize(
        ("changes", "sign"),
        [
            ({"reward": Change(0.4, 0.41, Interval(0.1, -0.02, 0.2))}, "the reward did not surely rise"),
            ({"reward": Change(0.4, 0.3, Interval(-0.1, -0.2, -0.05))}, "the reward fell"),
            ({"reward": Change(0.4, 0.9, Interval(2, -math.inf, math.inf))}, "too few pictures to tell"),
            ({"judge": Change(0.4, 0.3, Interval(-0.3, -0.5, -0.1))}, "the judge's score fell"),
            ({"diversity": 0.69}, "more alike (diversity 0.69 of before)"),
            ({"prompt_kept": Interval(0.74, 0.6, 0.98)}, "follows the prompts less (0.74 of before)"),
            ({"spoilt": (0, 3)}, "3 of its pictures are spoilt"),
        ],
    )
    def test_each_bad_sign_is_named(self, changes: dict[str, Any], sign: str) -> None:
        found = verdict(replace(GOOD, **changes))
        assert not found.keep
        assert found.sentence.startswith("Do not keep this LoRA: ")
        assert sign in found.sentence
        assert ";" not in found.sentence

    @pytest.mark.parametrize(
        ("changes", "sign"),
        [
            ({"diversity": 0.84}, "more alike (diversity 0.84 of before)"),
            ({"prompt_kept": Interval(0.89, 0.8, 0.98)}, "follows the prompts less (0.89 of before)"),
        ],
    )
    def test_a_side_effect_is_said_and_left_to_the_artist(self, changes: dict[str, Any], sign: str) -> None:
        found = verdict(replace(GOOD, **changes))
        assert found.keep
        assert found.sentence.startswith("Keep this LoRA if you like its pictures: ")
        assert sign in found.sentence

    def test_a_rough_measurement_of_prompts_condemns_nothing(self) -> None:
        assert verdict(replace(GOOD, prompt_kept=Interval(0.6, 0.1, 1.1))).keep

    def test_several_are_all_named_in_one_sentence(self) -> None:
        sentence = verdict(replace(GOOD, diversity=0.5, prompt_kept=Interval(0.5, 0.4, 0.6))).sentence
        assert "more alike" in sentence
        assert "prompts less" in sentence
        assert sentence.count("Do not keep") == 1

    def test_what_was_not_measured_is_not_bad_but_said(self) -> None:
        found = verdict(replace(GOOD, diversity=NAN, prompt_kept=UNKNOWN))
        assert found.keep
        assert "nothing that was measured" in found.sentence


def test_pairs_to_show_are_spread_evenly_and_never_the_extremes() -> None:
    changes = np.arange(64.0)[::-1].copy()
    chosen = representative(changes, 8)
    assert changes[chosen].tolist() == [4, 12, 20, 28, 36, 44, 52, 60]
    assert representative([NAN, 2.0, 1.0], 8) == [2, 1]
    assert representative([NAN], 8) == []
