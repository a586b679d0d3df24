"""Overall progress and ETA over several phases, with a clock that tests turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ganrm_core.utils.progress import Progress
from ganrm_core.utils.time_left import OverallProgress, Phase, PhasedProgress, time_left_words

PHASES = (Phase("hashing", 2, "files"), Phase("reading", 60, "backbone"), Phase("fitting", 20, "fit"))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def run(**seconds: float) -> Iterator[tuple[float, OverallProgress]]:
    """What is shown at each moment of a run whose phases take so long, in a hundred steps each."""
    clock = Clock()
    phased = PhasedProgress(PHASES, clock)
    for stage, taken in seconds.items():
        for done in range(101):
            yield clock.now, phased.update(Progress(stage, done, 100))
            clock.now += taken / 100


@pytest.mark.parametrize(
    "seconds",
    [
        {"hashing": 2, "reading": 60, "fitting": 20},
        {"hashing": 0.1, "reading": 900, "fitting": 20},  # a large backbone
        {"hashing": 30, "reading": 3, "fitting": 2},  # a slow disk, a fast card
        {"hashing": 2, "fitting": 20},  # all was read before
        {"hashing": 2},  # nothing had changed
        {"reading": 60, "hashing": 2, "fitting": 20},  # in another order
    ],
)
def test_the_bar_never_runs_backwards_and_ends_full(seconds: dict[str, float]) -> None:
    shares = [overall.share for _, overall in run(**seconds)]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.1
    assert shares[-1] <= 1
    assert shares[-1] == 1 or "fitting" not in seconds


def test_the_time_is_hidden_until_the_costly_part_was_measured_and_then_right() -> None:
    shown = [(now, overall.seconds_left) for now, overall in run(hashing=2, reading=900, fitting=20)]
    first = next(now for now, left in shown if left is not None)
    assert 5 <= first <= 20  # three seconds into reading, at its steps of nine seconds
    for now, left in shown:
        assert (left is None) == (now < first)
        assert now <= 60 or left == pytest.approx(922 - now, rel=0.1, abs=10)


def test_what_is_no_phase_holds_the_bar_and_an_unknown_total_is_no_share() -> None:
    clock = Clock()
    phased = PhasedProgress(PHASES, clock)
    assert phased.update(Progress("hashing", 7, 0)).share == 0
    clock.now = 1
    before = phased.update(Progress("hashing", 9, 10)).share
    clock.now = 300
    assert phased.update(Progress("downloading", 1, 2)) == OverallProgress(before)
    assert before > 0


def test_the_longer_the_coarser() -> None:
    assert time_left_words(None) == time_left_words(0.5) == ""
    for seconds, words in ((3, "5 s"), (33, "35 s"), (58, "1 min"), (150, "2 min"), (7200, "2 h")):
        assert time_left_words(seconds) == f"about {words} left"
