"""How long work reports itself, and how it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """One step of long work.

    `stage` names what is going on in words a user knows, `done` of `total` units are finished
    (`total` 0 means unknown), and `metrics` holds figures worth plotting live, such as `loss`.
    """

    stage: str
    done: int
    total: int
    metrics: Mapping[str, float] = field(default_factory=dict)


ProgressCallback = Callable[[Progress], None]
"""Called often. Whatever it raises passes through untouched: that is how a caller cancels."""


def no_progress(_: Progress) -> None:
    """The callback of a caller who does not want to know."""
