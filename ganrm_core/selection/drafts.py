"""Drafts: candidates are sampled cheaply to choose among, and only those chosen are sampled again in full.

With a step cache (as in CachedSearch; see `step_cache`) a draft keeps the schedule and skips calls of the model; with fewer
steps it takes every so many of the schedule's noise levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ..utils.errors import DataError
from .successive_halving import HalvingRung

Draft = Literal["off", "step cache", "fewer steps"]
DRAFTS: tuple[Draft, ...] = get_args(Draft)
Strength = Literal["gentle", "standard", "strong"]
STRENGTHS: tuple[Strength, ...] = get_args(Strength)

_THRESHOLDS: Mapping[Strength, float] = {"gentle": 0.4, "standard": 0.8, "strong": 1.2}
_SHARES: Mapping[Strength, float] = {"gentle": 0.5, "standard": 0.35, "strong": 0.25}
_FEWEST_STEPS = 6
_FEWEST_DRAFT_STEPS = 3


@dataclass(frozen=True)
class DraftSettings:
    """How candidates are drafted, and how many of the best drafts are sampled in full.

    `strength`: how much is saved, and how far drafts are from the finished pictures. Raises DataError for unknown values.
    """

    kind: Draft = "off"
    strength: Strength = "standard"
    finals: int = 2

    def __post_init__(self) -> None:
        if self.kind not in DRAFTS:
            raise DataError(f"There is no draft {self.kind!r}. Use one of: {', '.join(DRAFTS)}.")
        if self.strength not in STRENGTHS:
            raise DataError(
                f"There is no draft strength {self.strength!r}. Use one of: {', '.join(STRENGTHS)}."
            )
        if self.finals < 1:
            raise DataError(f"{self.finals} drafts would be made in full. Make 1 or more.")

    @property
    def threshold(self) -> float:
        """Of the step cache."""
        return _THRESHOLDS[self.strength]

    def in_full(self, count: int, keep: int) -> int:
        """How many of `count` drafts are sampled in full: at least as many as are kept."""
        return min(count, max(self.finals, keep))

    def levels(self, steps: int) -> tuple[int, ...]:
        """Which of a schedule's `steps` + 1 noise levels a draft goes through, with the first and the last.

        Raises DataError for so few steps that a draft would save nothing.
        """
        if steps < _FEWEST_STEPS:
            raise DataError(
                f"Drafts of pictures of {steps} steps would save nothing. Set at least {_FEWEST_STEPS} steps, or draft: off."
            )
        if self.kind != "fewer steps":
            return tuple(range(steps + 1))
        taken = max(_FEWEST_DRAFT_STEPS, round(_SHARES[self.strength] * steps))
        return tuple(round(place * steps / taken) for place in range(taken + 1))


def draft_rungs(rungs: Sequence[HalvingRung], levels: Sequence[int]) -> tuple[HalvingRung, ...]:
    """The rungs of a schedule for drafts that go through some of its noise levels, as `DraftSettings.levels` has them.

    Each comes after the draft's step whose noise level is nearest, and never after the first step: what is predicted of
    pure noise says nothing. One that would come with the last step is left out.
    """
    found: dict[int, HalvingRung] = {}
    for rung in rungs:
        nearest = min(range(1, len(levels) - 1), key=lambda place: abs(levels[place] - (rung.step - 1)))
        step = rung.step if len(levels) == levels[-1] + 1 else nearest + 1
        if step < len(levels) - 1:
            found[step] = HalvingRung(step, rung.survivors)
    return tuple(found.values())
