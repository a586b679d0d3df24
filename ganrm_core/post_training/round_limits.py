"""When a training in rounds is warned and stopped, and which of its states is the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from .round_signs import Look

Sign = Literal["forgetting", "details", "diversity", "spread", "judge", "prompts", "lead", "jump"]
SIGNS: tuple[Sign, ...] = get_args(Sign)


@dataclass(frozen=True)
class Limit:
    """Values up to `warn` are healthy, beyond `stop` training ends; with `below`, values down to them."""

    warn: float
    stop: float
    below: bool = False

    def warns(self, value: float) -> bool:
        return not (value >= self.warn if self.below else value <= self.warn)  # NaN warns and stops

    def stops(self, value: float) -> bool:
        return not (value >= self.stop if self.below else value <= self.stop)


LIMITS: Mapping[Sign, Limit] = {
    "forgetting": Limit(1.25, 1.6),
    "details": Limit(1.35, 1.75),
    "diversity": Limit(0.80, 0.65, below=True),
    "spread": Limit(0.40, 0.25, below=True),
    "judge": Limit(0.5, 1.0),
    "prompts": Limit(0.70, 0.50, below=True),
    "lead": Limit(0.5, 1.0),
    "jump": Limit(1e-3, 1e-2),
}
"""Set on one training without any safeguard (`benchmarks/adversarial.py --seeds 100 --arms bare --log FILE`), and seen to act
in time on seeds 0–2 (docs/reward-hacking.md). "lead" and "prompts" lie beyond all that healthy trainings showed.
"""


def values(look: Look) -> dict[Sign, float]:
    """The value of each sign that is known.

    `forgetting`, `details`: held-out errors over all noise levels and the low ones. `judge`: by how much the reward has
    risen more than the judge. `jump`: how far the last round moved the model. The others are as in `Look`.
    """
    held_out = look.held_out
    known: dict[Sign, float | None] = {
        "forgetting": held_out.ratio if held_out else None,
        "details": held_out.low_noise_ratio if held_out else None,
        "diversity": look.diversity,
        "spread": look.spread,
        "judge": None if look.judge is None else look.reward - look.judge,
        "prompts": look.prompts,
        "lead": look.lead,
        "jump": look.contrast,
    }
    return {sign: value for sign, value in known.items() if value is not None}


def warnings(look: Look, limits: Mapping[Sign, Limit] = LIMITS) -> list[Sign]:
    """The signs beyond their first limit."""
    return [sign for sign, value in values(look).items() if limits[sign].warns(value)]


def stops(look: Look, limits: Mapping[Sign, Limit] = LIMITS) -> list[Sign]:
    """The signs beyond their second limit."""
    return [sign for sign, value in values(look).items() if limits[sign].stops(value)]


def best_of(looks: Sequence[Look], limits: Mapping[Sign, Limit] = LIMITS) -> int:
    """Position of the best look: of those without a warning the one that pleases most, the earlier of equals.

    It is the judge that must be pleased, where there is one: it was not trained against. The first look, before training, is
    never warned about.
    """
    healthy = [place for place, look in enumerate(looks) if place == 0 or not warnings(look, limits)]
    return max(healthy, key=lambda place: _pleases(looks[place]))


def _pleases(look: Look) -> float:
    merit = look.reward if look.judge is None else look.judge
    return merit if math.isfinite(merit) else -math.inf
