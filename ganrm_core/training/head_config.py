"""Hyperparameters of a head's fit, as cross-validation chooses them and the checkpoint keeps them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..rewards.discriminator.heads import LinearHead, PaperHead, ProjectedMLPHead
from ..utils.errors import DataError

CARD_KEY = "head_config"
"""Key of the checkpoint's card, from format version 4 on."""
LORA_START = (0.5, 0.1)
"""Whitening power and penalty of the linear head from which LoRA starts."""
_SENTENCE = re.compile(r"linear, whitening (?P<whitening>[0-9.]+), penalty (?P<penalty>[0-9.e-]+)")


@dataclass(frozen=True)
class HeadConfig:
    """Kind of head ("linear", "mlp", "paper"); of linear ones the whitening power and the ridge penalty.

    Raises ValueError for an unknown kind, and for a linear head without a positive penalty.
    """

    kind: str
    whitening: float | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in (LinearHead.kind, ProjectedMLPHead.kind, PaperHead.kind):
            raise ValueError(f"unknown kind of head {self.kind!r}")
        if self.kind == LinearHead.kind and not (
            _at_least_zero(self.whitening) and _at_least_zero(self.penalty) and self.penalty
        ):
            raise ValueError(f"whitening {self.whitening!r}, penalty {self.penalty!r}")

    @property
    def description(self) -> str:
        """The card's `chosen_head`, which `ganrm info` prints."""
        if self.kind == LinearHead.kind:
            return f"linear, whitening {self.whitening}, penalty {self.penalty}"
        return "paper mlp" if self.kind == PaperHead.kind else self.kind

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_card(cls, card: Mapping[str, Any], kind: str) -> HeadConfig:
        """How the head of a model, of this `kind`, was fitted.

        Cards up to format version 3 say it only in the sentence `chosen_head`. Raises DataError where the card does
        not say it, or says it of another kind of head.
        """
        chosen = str(card.get("chosen_head"))
        try:
            config = cls(**card[CARD_KEY]) if CARD_KEY in card else _parsed(chosen, kind)
            if config.kind != kind:
                raise ValueError(f"a {config.kind} head")
        except (TypeError, ValueError) as error:
            raise DataError(
                f"This model's card does not say how its head was fitted in a way this version can repeat "
                f"({chosen!r}). Train it anew with this version, then refine that."
            ) from error
        return config


def _parsed(sentence: str, kind: str) -> HeadConfig:
    """Raises ValueError."""
    if kind != LinearHead.kind:
        return HeadConfig(kind)
    if "LoRA" in sentence:
        return HeadConfig(kind, *LORA_START)
    found = _SENTENCE.fullmatch(sentence)
    if found is None:
        raise ValueError(sentence)
    return HeadConfig(kind, float(found["whitening"]), float(found["penalty"]))


def _at_least_zero(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
