"""What happened in a training on groups: losses, held-out errors, and looks of the watch where there is one."""

from __future__ import annotations

from dataclasses import dataclass, field

from .round_limits import SIGNS, Sign, best_of, stops
from .round_signs import Look
from .watch import HeldOut


@dataclass(frozen=True)
class TrainingStep:
    """State after step `number` (from 1): its loss, and the held-out error where it was measured."""

    number: int
    loss: float
    held_out: HeldOut | None = None


@dataclass
class TrainingTrace:
    """All steps. `kept`: the step whose weights are kept, were training to end now; 0 for those before it.

    `stopped`: why training ended early, else "": signs of the watch with commas between them, or a constant of `watch`.
    `looks`: at what the model makes, the first before training; their `rounds` are steps. `best`: position of the best of
    them, None where nobody has looked, or nobody could look until the end.
    """

    steps: list[TrainingStep] = field(default_factory=list)
    stopped: str = ""
    kept: int = 0
    warned: bool = False
    looks: list[Look] = field(default_factory=list)
    best: int | None = None

    @property
    def losses(self) -> list[float]:
        return [step.loss for step in self.steps]

    @property
    def stopped_by(self) -> list[Sign]:
        """The signs of the watch that ended training."""
        return [sign for sign in SIGNS if sign in self.stopped.split(", ")]

    def see(self, look: Look | None) -> bool:
        """Take in a look, or None once nobody can look any more; whether it is the best so far."""
        if look is None:
            self.best = None
            return False
        self.looks.append(look)
        self.best = best_of(self.looks)
        if len(self.looks) > 1:
            self.stopped = ", ".join(stops(look))
        return self.best == len(self.looks) - 1

    def keep(self, good: int) -> None:
        """Set `kept`: the best look, were any better than before training; else the step `good`, or nothing where a sign
        of the watch has ended training.
        """
        if self.best:
            self.kept = self.looks[self.best].rounds
        else:
            self.kept = 0 if self.stopped_by else good
