"""Progress callbacks of long work; an exception raised by the callback cancels it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class History:
    """Training curve: held-out loss and AUC per step, for live plots and reports.

    `step` names the x axis ("epoch", or "regularisation"). `loss` and `auc` have equal length and may be empty. With
    `choice` the points are separate fits to choose from, such as a regularisation path from strong to weak.
    """

    step: str
    loss: tuple[float, ...] = ()
    auc: tuple[float, ...] = ()
    choice: bool = False

    @property
    def chosen(self) -> int | None:
        """Position of the lowest finite loss; None without one, and where the points are steps of one fit."""
        known = [(value, position) for position, value in enumerate(self.loss) if math.isfinite(value)]
        return min(known)[1] if self.choice and known else None


@dataclass(frozen=True)
class Progress:
    """One progress report: `done` of `total` units of the stage called `stage` (`total` 0: unknown).

    `metrics` are values to show, such as `loss`; `history` is the training curve so far.
    """

    stage: str
    done: int
    total: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: History | None = None


ProgressCallback = Callable[[Progress], None]
"""Called often. Whatever it raises passes through untouched, which is how a caller cancels."""


def no_progress(_: Progress) -> None:
    """A callback that ignores progress."""


def part_of(progress: ProgressCallback, number: int, count: int) -> ProgressCallback:
    """Callback for part `number` (from 0) of `count` equal parts that run one after another."""

    def report(step: Progress) -> None:
        done, total = number * step.total + step.done, count * step.total
        progress(Progress(step.stage, done, total, step.metrics, step.history))

    return report if count > 1 else progress


def span_of(progress: ProgressCallback, stage: str, start: int, end: int, total: int) -> ProgressCallback:
    """Callback that maps work with units of its own to the steps `start` to `end` of a stage of `total`."""

    def report(step: Progress) -> None:
        progress(Progress(stage, start + (end - start) * step.done // max(step.total, 1), total))

    return report
