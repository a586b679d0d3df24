"""One bar over all phases, and the time left, with a clock that tests turn."""

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


def run(
    seconds: dict[str, float], phases: tuple[Phase, ...] = PHASES
) -> Iterator[tuple[float, OverallProgress]]:
    """What is shown at each moment of a run whose phases take so long, in a hundred steps each."""
    clock = Clock()
    course = PhasedProgress(phases, clock)
    for stage, taken in seconds.items():
        for done in range(101):
            yield clock.now, course.update(Progress(stage, done, 100))
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
    shares = [whole.share for _, whole in run(seconds)]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.1
    assert shares[-1] <= 1
    if "fitting" in seconds:
        assert shares[-1] == 1


def test_as_expected_it_moves_evenly_and_tells_the_time() -> None:
    total = 82.0
    for now, whole in run({"hashing": 2, "reading": 60, "fitting": 20}):
        assert whole.share == pytest.approx(now / total, abs=0.03)
        if whole.seconds_left is not None:
            assert whole.seconds_left == pytest.approx(total - now, abs=3)


def test_the_time_is_hidden_until_the_costly_part_was_measured_and_then_stays() -> None:
    known = [
        (now, whole.seconds_left is not None)
        for now, whole in run({"hashing": 2, "reading": 900, "fitting": 20})
    ]
    first = next(now for now, is_known in known if is_known)
    assert 5 <= first <= 20  # three seconds into reading, at its steps of nine seconds
    assert all(is_known for now, is_known in known if now >= first)


def test_a_slow_part_is_measured_and_not_believed_to_be_usual() -> None:
    for now, whole in run({"hashing": 2, "reading": 900, "fitting": 20}):
        if now > 60 and whole.seconds_left is not None:
            assert whole.seconds_left == pytest.approx(922 - now, rel=0.1, abs=10)


def test_what_is_no_phase_holds_the_bar() -> None:
    clock = Clock()
    course = PhasedProgress(PHASES, clock)
    before = [course.update(Progress("hashing", done, 10)).share for done in range(10)][-1]
    clock.now = 300
    assert course.update(Progress("downloading", 1, 2)) == OverallProgress(before)


def test_an_unknown_total_is_no_share() -> None:
    assert PhasedProgress(PHASES, Clock()).update(Progress("hashing", 7, 0)).share == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.5, ""),
        (3.0, "about 5 s left"),
        (33.0, "about 35 s left"),
        (58.0, "about 1 min left"),
        (150.0, "about 2 min left"),
        (7200.0, "about 2 h left"),
    ],
)
def test_the_longer_the_coarser(seconds: float | None, words: str) -> None:
    assert time_left_words(seconds) == words
