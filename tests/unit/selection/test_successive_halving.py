"""Pruning schedules."""

from __future__ import annotations

import pytest

from ganrm_core.selection.successive_halving import SCHEDULES, Cut, Look, looks, parse_schedule, work
from ganrm_core.utils.errors import DataError


def test_a_schedule_is_read() -> None:
    assert parse_schedule("30%: 1/2, 50%:1/4") == SCHEDULES["standard"]
    assert parse_schedule(" 12.5 % : 2/3 ,") == (Cut(0.125, 2 / 3),)
    assert parse_schedule("") == ()


@pytest.mark.parametrize("text", ["30%", "30: 1/2", "30%: half", "30%: 1/0", "30%: 0.5", "x"])
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        parse_schedule(text)


@pytest.mark.parametrize("text", ["0%: 1/2", "100%: 1/2", "30%: 1/1", "30%: 3/2", "30%: 0/2"])
def test_what_lies_outside(text: str) -> None:
    with pytest.raises(DataError, match="between"):
        parse_schedule(text)


@pytest.mark.parametrize("text", ["50%: 1/2, 30%: 1/4", "30%: 1/4, 50%: 1/2", "30%: 1/2, 30%: 1/4"])
def test_cuts_out_of_order(text: str) -> None:
    with pytest.raises(DataError, match="later and leaves fewer"):
        parse_schedule(text)


def test_looks_of_the_standard_schedule() -> None:
    assert looks(SCHEDULES["standard"], 20, 16, 1) == (Look(6, 8), Look(10, 4))


def test_never_fewer_than_are_kept() -> None:
    assert looks(SCHEDULES["standard"], 20, 16, 6) == (Look(6, 8), Look(10, 6))
    assert looks(SCHEDULES["standard"], 20, 16, 12) == (Look(6, 12),)
    assert looks(SCHEDULES["standard"], 20, 16, 16) == ()


def test_an_odd_count_is_rounded_up() -> None:
    assert looks(SCHEDULES["standard"], 20, 5, 1) == (Look(6, 3), Look(10, 2))
    assert looks((Cut(0.5, 1 / 3),), 20, 9, 1) == (Look(10, 3),)


def test_few_steps_merge_looks_and_leave_out_one_at_the_end() -> None:
    assert looks(SCHEDULES["standard"], 2, 16, 1) == (Look(1, 4),)
    assert looks(SCHEDULES["standard"], 1, 16, 1) == ()
    assert looks((Cut(0.9, 0.5),), 4, 16, 1) == ()


def test_one_candidate_has_nobody_to_lose() -> None:
    assert looks(SCHEDULES["strong"], 20, 1, 1) == ()


@pytest.mark.parametrize(
    ("name", "share"), [("off", 1.0), ("gentle", 0.75), ("standard", 0.525), ("strong", 0.375)]
)
def test_the_work_of_the_named_schedules(name: str, share: float) -> None:
    assert work(looks(SCHEDULES[name], 20, 16, 1), 20, 16) == pytest.approx(share * 320)
