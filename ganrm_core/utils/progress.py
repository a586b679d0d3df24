"""How long work reports itself, and how it is stopped."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class History:
    """How a fit went, step by step, or what it was chosen from: what a live plot draws and a report keeps.

    `step` says what one point is ("epoch", or "regularisation"). `loss` and `auc` run parallel and were measured on
    pictures held out of the fit; both may be empty. With `choice` the points are no steps of one fit but fits to
    choose from, such as those along a regularisation path, strong to weak.
    """

    step: str
    loss: tuple[float, ...] = ()
    auc: tuple[float, ...] = ()
    choice: bool = False

    @property
    def chosen(self) -> int | None:
        """Of a choice, the position of the point with the lowest loss; None where there is none or nothing to choose."""
        known = [(value, position) for position, value in enumerate(self.loss) if math.isfinite(value)]
        return min(known)[1] if self.choice and known else None


@dataclass(frozen=True)
class Progress:
    """One step of long work.

    `stage` names what is going on in words a user knows, `done` of `total` units are finished
    (`total` 0 means unknown), `metrics` holds figures worth showing, such as `loss`, and `history`
    what there is to plot so far.
    """

    stage: str
    done: int
    total: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: History | None = None


ProgressCallback = Callable[[Progress], None]
"""Called often. Whatever it raises passes through untouched: that is how a caller cancels."""


def no_progress(_: Progress) -> None:
    """The callback of a caller who does not want to know."""


def part_of(progress: ProgressCallback, number: int, count: int) -> ProgressCallback:
    """Progress of one piece of work among `count` that follow one another and count in the same units.

    `number` counts from 0.
    """

    def report(step: Progress) -> None:
        done, total = number * step.total + step.done, count * step.total
        progress(Progress(step.stage, done, total, step.metrics, step.history))

    return report if count > 1 else progress


def span_of(progress: ProgressCallback, stage: str, start: int, end: int, total: int) -> ProgressCallback:
    """Progress of work that counts in units of its own, as the steps from `start` to `end` of a stage of `total`."""

    def report(step: Progress) -> None:
        progress(Progress(stage, start + (end - start) * step.done // max(step.total, 1), total))

    return report
