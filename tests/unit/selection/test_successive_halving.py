"""Pruning schedules and their rungs."""

from __future__ import annotations

import pytest

from ganrm_core.selection.successive_halving import (
    SCHEDULES,
    Cut,
    Schedule,
    halving_rungs,
    parse_schedule,
    total_steps,
)
from ganrm_core.utils.errors import DataError

STANDARD = SCHEDULES["standard"]


def test_parse_schedule() -> None:
    assert parse_schedule("30%: 1/2, 50%:1/4") == STANDARD
    assert parse_schedule(" 12.5 % : 2/3 ,") == (Cut(0.125, 2 / 3),)
    assert parse_schedule("") == ()
    for texts, message in (
        (["30%", "30: 1/2", "30%: half", "30%: 1/0", "30%: 0.5", "x"], "cannot be read"),
        (["0%: 1/2", "100%: 1/2", "30%: 1/1", "30%: 3/2", "30%: 0/2"], "between"),
        (["50%: 1/2, 30%: 1/4", "30%: 1/4, 50%: 1/2", "30%: 1/2, 30%: 1/4"], "later and leaves fewer"),
    ):
        for text in texts:
            with pytest.raises(DataError, match=message):
                parse_schedule(text)


@pytest.mark.parametrize(
    ("schedule", "steps", "count", "keep", "rungs"),
    [
        (STANDARD, 20, 16, 1, [(6, 8), (10, 4)]),
        # Never fewer than are kept.
        (STANDARD, 20, 16, 6, [(6, 8), (10, 6)]),
        (STANDARD, 20, 16, 12, [(6, 12)]),
        (STANDARD, 20, 16, 16, []),
        (SCHEDULES["strong"], 20, 1, 1, []),
        # Shares are rounded up.
        (STANDARD, 20, 5, 1, [(6, 3), (10, 2)]),
        ((Cut(0.5, 1 / 3),), 20, 9, 1, [(10, 3)]),
        # With few steps rungs merge, and there is none at the last step.
        (STANDARD, 2, 16, 1, [(1, 4)]),
        (STANDARD, 1, 16, 1, []),
        ((Cut(0.9, 0.5),), 4, 16, 1, []),
    ],
)
def test_halving_rungs(
    schedule: Schedule, steps: int, count: int, keep: int, rungs: list[tuple[int, int]]
) -> None:
    found = halving_rungs(schedule, steps, count, keep)
    assert [(rung.step, rung.survivors) for rung in found] == rungs


def test_total_steps_of_the_named_schedules() -> None:
    for name, share in {"off": 1.0, "gentle": 0.75, "standard": 0.525, "strong": 0.375}.items():
        assert total_steps(halving_rungs(SCHEDULES[name], 20, 16, 1), 20, 16) == pytest.approx(share * 320)
