"""Which half-made candidates are given up, and when: successive halving (Jamieson & Talwalkar 2016)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..utils.errors import DataError


@dataclass(frozen=True)
class Cut:
    """After the share `at` of the steps, the share `keep` of all candidates goes on."""

    at: float
    keep: float


@dataclass(frozen=True)
class Look:
    """After `step` steps (counted from 1) the best `survivors` go on."""

    step: int
    survivors: int


Schedule = tuple[Cut, ...]

SCHEDULES: dict[str, Schedule] = {
    "off": (),
    "gentle": (Cut(0.5, 1 / 2),),
    "standard": (Cut(0.3, 1 / 2), Cut(0.5, 1 / 4)),
    "strong": (Cut(0.2, 1 / 2), Cut(0.35, 1 / 4), Cut(0.5, 1 / 8)),
}
"""By name, from the most careful to the most frugal."""

_CUT = re.compile(r"(\d+(?:\.\d+)?)\s*%\s*:\s*(\d+)\s*/\s*(\d+)")
_EXAMPLE = "'30%: 1/2, 50%: 1/4': after 30 % of the steps one half goes on, after 50 % one quarter"


def parse_schedule(text: str) -> Schedule:
    """The schedule written as "30%: 1/2, 50%: 1/4". Raises DataError for what cannot be read or makes no sense."""
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


def looks(schedule: Schedule, steps: int, count: int, keep: int) -> tuple[Look, ...]:
    """When to look at `count` candidates of `steps` steps, and how many then go on: never fewer than `keep`.

    What would turn nobody away is left out, as is a look after the last step.
    """
    found: list[Look] = []
    for cut in schedule:
        step = max(1, round(cut.at * steps))
        survivors = max(keep, 1, math.ceil(round(cut.keep * count, 6)))
        before = found[-1].survivors if found else count
        if step >= steps or survivors >= before:
            continue
        if found and found[-1].step == step:
            found.pop()
        found.append(Look(step, survivors))
    return tuple(found)


def work(plan: Sequence[Look], steps: int, count: int) -> int:
    """Steps of all candidates together; without pruning it would be `steps` × `count`."""
    done, alive, total = 0, count, 0
    for look in plan:
        total += (look.step - done) * alive
        done, alive = look.step, look.survivors
    return total + (steps - done) * alive
