"""Overall progress and estimated time left (ETA) of work with known phases."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from .progress import Progress

_MEASURED_S = 1.0  # a shorter measurement of speed is noise
_KNOWN_AFTER_S = 3.0
_SMOOTHING_S = 4.0


@dataclass(frozen=True)
class Phase:
    """One phase, with its `Progress.stage`, usual duration and what its speed depends on.

    The speed measured in one phase predicts others with the same `bound`; until it is measured, the ETA is unknown.
    """

    stage: str
    seconds: float
    bound: Literal["files", "backbone", "fit"]


@dataclass(frozen=True)
class OverallProgress:
    """`share` of the work done in [0, 1], which never falls, and `seconds_left`, None while unknown."""

    share: float
    seconds_left: float | None = None


class PhasedProgress:
    """Turns the progress of consecutive phases into overall progress with an ETA.

    A stage that is none of the phases, such as a download, leaves the overall progress unchanged.
    """

    def __init__(self, phases: Sequence[Phase], clock: Callable[[], float] = time.monotonic) -> None:
        self._phases, self._clock = tuple(phases), clock
        self._spent = [0.0] * len(self._phases)
        self._place, self._share_of_phase = -1, 0.0
        self._share = 0.0
        self._end: float | None = None
        self._last = clock()

    def update(self, step: Progress) -> OverallProgress:
        """Overall progress after this report; call it for every report, in order."""
        now = self._clock()
        passed, self._last = now - self._last, now
        place = self._place_of(step.stage)
        if place is None:
            if self._end is not None:
                self._end += passed
            return OverallProgress(self._share)
        if place == self._place:
            self._spent[place] += passed
        else:
            self._place, self._share_of_phase = place, 0.0
        if step.total > 0:
            self._share_of_phase = max(self._share_of_phase, min(1.0, step.done / step.total))
        left = self._expected_left()
        self._advance(left, passed)
        return OverallProgress(self._share, self._smooth_left(left, now, passed))

    def _place_of(self, stage: str) -> int | None:
        """Position of the current or a later phase of this name: a stage may occur twice."""
        places = [place for place, phase in enumerate(self._phases) if phase.stage == stage]
        return next((place for place in places if place >= self._place), None)

    def _expected_left(self) -> float:
        ahead = sum(phase.seconds * self._pace(phase.bound) for phase in self._phases[self._place + 1 :])
        return ahead + self._left_of_phase()

    def _left_of_phase(self) -> float:
        if self._place < 0:
            return 0.0
        phase, spent = self._phases[self._place], self._spent[self._place]
        if self._share_of_phase > 0 and spent >= _MEASURED_S:
            return spent * (1 / self._share_of_phase - 1)
        return phase.seconds * self._pace(phase.bound) * (1 - self._share_of_phase)

    def _pace(self, bound: str) -> float:
        """Measured over expected time of the phases with this bound so far; 1 until enough is measured."""
        spent, expected = self._measured(bound)
        return spent / expected if spent >= _MEASURED_S and expected > 0 else 1.0

    def _measured(self, bound: str) -> tuple[float, float]:
        spent = expected = 0.0
        for place, phase in enumerate(self._phases[: self._place + 1]):
            if phase.bound == bound:
                spent += self._spent[place]
                expected += phase.seconds * (self._share_of_phase if place == self._place else 1.0)
        return spent, expected

    def _advance(self, left: float, passed: float) -> None:
        """Advance the bar by this step's share of the time that was left before it.

        However wrong the estimates are, the bar never moves back, and is full when nothing is left.
        """
        if left <= 0:
            self._share = 1.0
        elif passed > 0:
            self._share += (1 - self._share) * passed / (passed + left)

    def _smooth_left(self, left: float, now: float, passed: float) -> float | None:
        """Time left, exponentially smoothed; None until the dominant kind of work is measured."""
        if not self._is_known():
            return None
        if self._end is None:
            self._end = now + left
        else:
            self._end += (now + left - self._end) * min(1.0, passed / _SMOOTHING_S)
        return max(0.0, self._end - now)

    def _is_known(self) -> bool:
        """Whether the speed of the kind of work that takes longest is measured."""
        kinds: dict[str, float] = {}
        for phase in self._phases:
            kinds[phase.bound] = kinds.get(phase.bound, 0.0) + phase.seconds * self._pace(phase.bound)
        longest = max(kinds, key=lambda kind: kinds[kind])
        return self._measured(longest)[0] >= _KNOWN_AFTER_S and self._measured(longest)[1] > 0


def duration(seconds: float) -> str:
    """Text such as "84 s" or "12 min"."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def time_left_words(seconds: float | None) -> str:
    """Text such as "about 2 min left", coarser the longer it is; "" while unknown or below 2 s."""
    if seconds is None or seconds < 2:
        return ""
    if seconds < 55:
        return f"about {max(5, 5 * round(seconds / 5))} s left"
    minutes = seconds / 60
    if minutes < 90:
        return f"about {max(1, round(minutes))} min left"
    return f"about {round(minutes / 60)} h left"
