"""Signs of a cheating generator in an artist's words: their names, their values, and what is amiss beyond a limit.

Values are turned so that they fit the names: "still knows good pictures" falls when the held-out error rises.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .comparison import signed
from .round_limits import Sign, values
from .round_signs import Look

SIGN_TITLES: Mapping[Sign, str] = {
    "forgetting": "still knows good pictures",
    "details": "fine detail",
    "diversity": "variety",
    "spread": "differences in score",
    "judge": "second opinion agrees",
    "prompts": "follows the prompt",
    "lead": "fools the newest taste",
    "jump": "size of the last change",
}
PROBLEMS: Mapping[Sign, str] = {
    "forgetting": "It was forgetting how good pictures are made.",
    "details": "It was losing fine detail.",
    "diversity": "Its pictures were growing alike.",
    "spread": "Your taste could hardly tell its pictures apart.",
    "judge": "The second opinion did not agree that they got better.",
    "prompts": "Its pictures followed the prompt less.",
    "lead": "Even your newest taste took its pictures for better than the liked ones.",
    "jump": "One round changed it too much.",
}
"""What is amiss beyond a limit, after a sentence about the model."""
REMEDIES: Mapping[Sign, str] = {
    "forgetting": "A lower learning rate or a stronger anchor gets further.",
    "details": "A lower learning rate or a stronger anchor gets further.",
    "diversity": "A lower learning rate or a stronger anchor gets further.",
    "spread": "A lower learning rate or more pictures per prompt gets further.",
    "judge": "To get further, train your taste again with pictures like these among the ordinary ones.",
    "prompts": "A lower learning rate or more prompts gets further.",
    "lead": "To get further, train your taste again with pictures like these among the ordinary ones.",
    "jump": "A lower learning rate gets further.",
}
_MOST_SAID = 2
"""Problems in a sentence; the plots show all."""
_RATIOS: frozenset[Sign] = frozenset(("forgetting", "details", "diversity", "spread", "prompts"))


def unchanged(sign: Sign) -> float | None:
    """What `displayed` gives for a model that has not changed; None where that says nothing."""
    if sign in _RATIOS:
        return 1.0
    return None if sign == "lead" else 0.0


def displayed(sign: Sign, value: float) -> float:
    """The value as it is drawn, of a value or a limit as in `round_limits`.

    Held-out errors are inverted: what they say is how well the model still knows. The judge's is how much less it has risen
    than the reward, below 0. The last change is a mean square there, a root mean square here.
    """
    if sign in ("forgetting", "details"):
        return 1 / value if value > 0 else math.nan
    if sign == "judge":
        return -value
    return math.sqrt(value) if sign == "jump" and value >= 0 else value


def reading(sign: Sign, value: float) -> str:
    """The value in a readable form, such as 93%, 1.2% or +0.40; "?" for one that is not finite."""
    shown = displayed(sign, value)
    if not math.isfinite(shown):
        return "?"
    if sign == "jump":
        return f"{shown:.1%}"
    if sign in _RATIOS:
        return f"{shown:.0%}"
    return change(shown)


def change(value: float) -> str:
    """A change in standard deviations, such as +0.52, −0.03 or 0; "?" for one that is not finite."""
    return "0" if abs(value) < 0.005 else signed(value)


def values_line(look: Look) -> str:
    """The watch's values of one look, such as "pleases your taste +0.40, variety 93%"."""
    parts = [f"pleases your taste {change(look.reward)}"]
    if look.judge is not None:
        parts.append(f"second opinion {change(look.judge)}")
    parts += [f"{SIGN_TITLES[sign]} {reading(sign, value)}" for sign, value in values(look).items()]
    return ", ".join(parts)


def what_went_wrong(looks: Sequence[Look], signs: Sequence[Sign]) -> str:
    """The end of a sentence on what went wrong, and sentences on its signs."""
    if signs == ["jump"]:
        return "one round changed the model too much at once."
    # Without higher scores nothing was fooled.
    what = "began to please your taste by cheating" if looks[-1].reward > 0 else "began to get worse"
    return " ".join([f"the model {what}.", *problems(signs)])


def problems(signs: Sequence[Sign]) -> list[str]:
    """Sentences on what is amiss, of a few of the signs."""
    return [PROBLEMS[sign] for sign in signs[:_MOST_SAID]]
