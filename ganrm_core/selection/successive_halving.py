"""Successive halving (Jamieson & Talwalkar 2016): when to drop half-sampled candidates, and how many."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..utils.errors import DataError


@dataclass(frozen=True)
class Cut:
    """After the share `at` of the sampling steps, the share `keep` of all candidates goes on."""

    at: float
    keep: float


@dataclass(frozen=True)
class HalvingRung:
    """After `step` sampling steps (counted from 1) the best `survivors` go on."""

    step: int
    survivors: int


Schedule = tuple[Cut, ...]

SCHEDULES: dict[str, Schedule] = {
    "off": (),
    "gentle": (Cut(0.5, 1 / 2),),
    "standard": (Cut(0.3, 1 / 2), Cut(0.5, 1 / 4)),
    "strong": (Cut(0.2, 1 / 2), Cut(0.35, 1 / 4), Cut(0.5, 1 / 8)),
}
"""By name, from the fewest dropped candidates to the most."""

_CUT = re.compile(r"(\d+(?:\.\d+)?)\s*%\s*:\s*(\d+)\s*/\s*(\d+)")
_EXAMPLE = "'30%: 1/2, 50%: 1/4': after 30 % of the steps one half goes on, after 50 % one quarter"


def parse_schedule(text: str) -> Schedule:
    """Parse a schedule written as "30%: 1/2, 50%: 1/4". Raises DataError for a text that is none."""
    cuts = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        match = _CUT.fullmatch(part)
        if not match or not int(match[3]):
            raise DataError(f"The pruning schedule holds {part!r}, which cannot be read. Write {_EXAMPLE}.")
        cuts.append(Cut(float(match[1]) / 100, float(Fraction(int(match[2]), int(match[3])))))
    ats, shares = [cut.at for cut in cuts], [cut.keep for cut in cuts]
    if not all(0 < value < 1 for value in (*ats, *shares)):
        raise DataError(
            f"The pruning schedule is {text!r}. Steps lie between 0 % and 100 %, shares between 0 and 1. Write {_EXAMPLE}."
        )
    if ats != sorted(set(ats)) or shares != sorted(set(shares), reverse=True):
        raise DataError(
            f"The pruning schedule is {text!r}. Each cut comes later and leaves fewer than the one before it: write "
            f"{_EXAMPLE}."
        )
    return tuple(cuts)


def halving_rungs(schedule: Schedule, steps: int, count: int, keep: int) -> tuple[HalvingRung, ...]:
    """The rungs for `count` candidates of `steps` steps each; at least `keep` survive every one.

    A rung that would drop no candidate is left out, as is one at the last step.
    """
    rungs: list[HalvingRung] = []
    for cut in schedule:
        step = max(1, round(cut.at * steps))
        survivors = max(keep, 1, math.ceil(round(cut.keep * count, 6)))
        before = rungs[-1].survivors if rungs else count
        if step >= steps or survivors >= before:
            continue
        if rungs and rungs[-1].step == step:
            rungs.pop()
        rungs.append(HalvingRung(step, survivors))
    return tuple(rungs)


def total_steps(rungs: Sequence[HalvingRung], steps: int, count: int) -> int:
    """Sampling steps of all candidates together; `steps` × `count` where there are no rungs."""
    done, alive, total = 0, count, 0
    for rung in rungs:
        total += (rung.step - done) * alive
        done, alive = rung.step, rung.survivors
    return total + (steps - done) * alive
