from __future__ import annotations

from typing import Any

import pytest

from ganrm_core.selection.drafts import STRENGTHS, DraftSettings, draft_rungs
from ganrm_core.selection.successive_halving import SCHEDULES, HalvingRung, halving_rungs
from ganrm_core.utils.errors import DataError


def test_fewer_steps_go_through_levels_of_the_whole_schedule() -> None:
    assert DraftSettings("fewer steps", "strong").levels(20) == (0, 4, 8, 12, 16, 20)
    counts = [len(DraftSettings("fewer steps", strength).levels(30)) for strength in STRENGTHS]
    assert counts == sorted(counts, reverse=True)
    assert DraftSettings("fewer steps", "strong").levels(6) == (0, 2, 4, 6), "never fewer than three"


def test_a_step_cache_keeps_the_schedule_and_a_stronger_one_its_threshold_higher() -> None:
    assert DraftSettings("step cache").levels(8) == tuple(range(9))
    thresholds = [DraftSettings("step cache", strength).threshold for strength in STRENGTHS]
    assert thresholds == sorted(set(thresholds))


@pytest.mark.parametrize("kind", ["step cache", "fewer steps"])
def test_too_few_steps_for_a_draft(kind: Any) -> None:
    with pytest.raises(DataError, match="at least 6 steps"):
        DraftSettings(kind).levels(5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "sketch"}, "no draft 'sketch'"),
        ({"strength": "wild"}, "no draft strength"),
        ({"finals": 0}, "1 or more"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        DraftSettings(**settings)


def test_as_many_are_made_in_full_as_are_kept() -> None:
    draft = DraftSettings("step cache", finals=2)
    assert [draft.in_full(16, keep) for keep in (1, 2, 5)] == [2, 2, 5]
    assert DraftSettings(finals=9).in_full(4, 1) == 4


def test_pruning_comes_at_the_nearest_noise_but_never_after_the_first_step() -> None:
    rungs = halving_rungs(SCHEDULES["standard"], 20, 16, 1)
    assert draft_rungs(rungs, tuple(range(21))) == rungs
    five = DraftSettings("fewer steps", "strong").levels(20)
    assert draft_rungs(rungs, five) == (HalvingRung(2, 8), HalvingRung(3, 4))
    early = (HalvingRung(1, 8), HalvingRung(2, 4))
    assert draft_rungs(early, five) == (HalvingRung(2, 4),), "the later of two at one step"


def test_pruning_after_the_last_but_one_level_is_left_out() -> None:
    levels = DraftSettings("fewer steps", "strong").levels(6)
    assert draft_rungs((HalvingRung(5, 2),), levels) == ()
