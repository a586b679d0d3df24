"""How long work reports itself, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class History:
    """How a fit went, step by step: what a live plot draws and a report keeps.

    `step` says what one step is ("epoch", or "regularisation, strong to weak"). `loss` and `auc` run
    parallel and were measured on pictures held out of the fit; both may be empty.
    """

    step: str
    loss: tuple[float, ...] = ()
    auc: tuple[float, ...] = ()


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
