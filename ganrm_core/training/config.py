"""Training settings, validated on construction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..backbones.registry import DEFAULT_BACKBONE
from ..leakage.neutralisation import MODES, Mode
from ..rewards.discriminator.readout import SECOND_LOOKS, SecondLookSetting
from ..utils.errors import DataError

Preset = Literal["default", "paper"]
Adapt = Literal["none", "lora"]


@dataclass(frozen=True)
class TrainingSettings:
    """Everything but the pictures that decides the result.

    `views`: augmented versions of each picture to learn from, itself included; the paper preset uses 1. `neutralise`:
    what is done about leaks, see `neutralisation.make_neutraliser`. `second_look`: a modified version of the picture that
    is also run through the backbone, where that was found to help (`readout.default_readout`): `smaller`, `blurred`
    or `none`. Raises DataError for values that cannot be used.
    """

    backbone: str = DEFAULT_BACKBONE
    preset: Preset = "default"
    adapt: Adapt = "none"
    seed: int = 0
    views: int = 4
    neutralise: Mode = "auto"
    second_look: SecondLookSetting = "smaller"

    def __post_init__(self) -> None:
        if self.preset not in ("default", "paper"):
            raise DataError(f"There is no preset {self.preset!r}. Use default or paper.")
        if self.adapt not in ("none", "lora"):
            raise DataError(f"There is no adaptation {self.adapt!r}. Use none or lora.")
        if self.preset == "paper" and self.adapt != "none":
            raise DataError(
                "The paper preset keeps its backbone frozen. Use the default preset to adapt it with lora."
            )
        if self.neutralise not in MODES:
            raise DataError(f"There is no way {self.neutralise!r} to neutralise. Use {', '.join(MODES)}.")
        if self.views < 1:
            raise DataError(f"views is {self.views}. Use 1 or more.")
        if self.second_look not in SECOND_LOOKS:
            raise DataError(f"There is no second look {self.second_look!r}. Use {', '.join(SECOND_LOOKS)}.")
        if not 0 <= self.seed < 2**64:
            raise DataError(f"The seed is {self.seed}. Use a whole number from 0 to {2**64 - 1}.")
