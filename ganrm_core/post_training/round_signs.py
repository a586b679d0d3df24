"""Signs that a generator learns to fool its reward: what is measured after some rounds, and when to warn and stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .diversity import diversity_ratio
from .learner import RoundLosses
from .studio import Judged
from .watch import HeldOut


@dataclass(frozen=True)
class Look:
    """State after `rounds` rounds beside that before training, on the same prompts and seeds.

    `held_out`: errors on liked pictures, as ratios. `reward`, `judge`: how far mean logits have risen, in standard
    deviations inside a prompt before training. `spread`, `diversity`: inside a prompt, as ratios. `prompts`: how much better
    the pictures still fit their prompts than none, as a ratio. `lead`: how far the pictures' mean logit by the refitted
    reward lies above that of liked ones that nothing learned from, in the same unit. `contrast`: how far the last round
    moved the model.
    None where it is not known.
    """

    rounds: int
    reward: float
    spread: float
    diversity: float
    held_out: HeldOut | None = None
    judge: float | None = None
    prompts: float | None = None
    lead: float | None = None
    contrast: float | None = None


class Comparison:
    """Compares what the watched prompts and seeds give with what they gave before training."""

    def __init__(self, before: Sequence[Judged]) -> None:
        """`before`: of each watched prompt."""
        self.before = list(before)

    @classmethod
    def of_state(cls, state: Mapping[str, Tensor]) -> Comparison:
        """As `state` gave it. Raises LookupError for anything else."""
        count = sum(name.endswith("/logits") for name in state)
        return cls(
            [
                Judged(state[f"{number}/logits"], state[f"{number}/features"], state.get(f"{number}/judge"))
                for number in range(count)
            ]
        )

    def state(self) -> dict[str, Tensor]:
        """All that later looks are compared with, for `of_state`; patches are not."""
        found: dict[str, Tensor] = {}
        for number, judged in enumerate(self.before):
            known = {"logits": judged.logits, "features": judged.features, "judge": judged.judge}
            found |= {f"{number}/{name}": value for name, value in known.items() if value is not None}
        return found

    def look(
        self,
        rounds: int,
        now: Sequence[Judged],
        held_out: HeldOut | None,
        gains: tuple[float, float] | None,
        lead: float | None,
        losses: RoundLosses | None,
    ) -> Look:
        """`gains`: how much better pictures fit their prompts than none, before and now. `lead`: in logits."""
        before = self.before
        unit = _deviation([each.logits for each in before])
        judged = None
        if before[0].judge is not None:
            first, second = (
                [each.judge for each in some if each.judge is not None] for some in (before, now)
            )
            judged = _rise(first, second) / max(_deviation(first), 1e-12)
        return Look(
            rounds,
            _rise([each.logits for each in before], [each.logits for each in now]) / max(unit, 1e-12),
            _deviation([each.logits for each in now]) / max(unit, 1e-12),
            diversity_ratio([each.features for each in before], [each.features for each in now]),
            held_out,
            judged,
            gains[1] / gains[0] if gains and gains[0] > 0 else None,
            None if lead is None else lead / max(unit, 1e-12),
            losses.contrast if losses else None,
        )


def _rise(before: Sequence[Tensor], now: Sequence[Tensor]) -> float:
    """Of the mean, over pictures that are whole in both."""
    change = torch.cat(list(now)).double() - torch.cat(list(before)).double()
    finite = change[torch.isfinite(change)]
    return float(finite.mean()) if len(finite) else float("nan")


def _deviation(parts: Sequence[Tensor]) -> float:
    """Root mean square over prompts of the standard deviation inside each."""
    finite = [part.double()[torch.isfinite(part)] for part in parts]
    known = [float(part.var(correction=0)) for part in finite if len(part) > 1]
    return (sum(known) / len(known)) ** 0.5 if known else float("nan")
