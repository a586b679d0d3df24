"""The `Learner` protocol: how a LoRA learns from one round of scored samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class RoundGroup:
    """Samples of one prompt, N of them, with their place in the round.

    `latents` [N, …] in the model's scale on the CPU; `logits` [N], NaN where a picture was spoilt.
    """

    prompt: int
    latents: Tensor
    logits: Tensor


@dataclass(frozen=True)
class RoundLosses:
    """Means over a round. `anchor`: denoising error on the references. `contrast`: squared distance of the model's
    velocity to the one it was when the round began.
    """

    loss: float
    anchor: float
    contrast: float


class Learner(Protocol):
    """Its optimiser and copies live as long as it does; `state` and `load_state` carry them over a restart."""

    def sample(self, prompt: int, seeds: Sequence[int]) -> Tensor:
        """Latents [N, …] of one prompt from the model as it is, in the model's scale, on the CPU."""

    def learn(self, groups: Sequence[RoundGroup]) -> RoundLosses:
        """From the groups of a round, in the order they were sampled.

        Raises NotANumberError where a loss is no number; the weights are then those of the last good update.
        """

    def state(self) -> dict[str, Tensor]:
        """All that decides how it goes on, the LoRA's parameters too."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """As `state` gave it."""
