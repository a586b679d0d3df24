"""The `Studio` protocol: where a training in rounds has its samples made and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Judged:
    """Samples of one prompt as the rewards see them, N of them; NaN where a picture was spoilt.

    `logits` [N]: of the reward as it was given. `features` [N, D]: what the reward's head takes, or whatever else tells
    pictures apart. `judge` [N]: of a second reward. `patches` [N, P, C]: features of P places of each picture. None where
    there are none.
    """

    logits: Tensor
    features: Tensor
    judge: Tensor | None = None
    patches: Tensor | None = None

    def some(self, rows: Sequence[int]) -> Judged:
        """The samples at `rows`."""
        judge, patches = (
            None if values is None else values[list(rows)] for values in (self.judge, self.patches)
        )
        return Judged(self.logits[list(rows)], self.features[list(rows)], judge, patches)

    @staticmethod
    def joined(parts: Sequence[Judged]) -> Judged:
        judges = [part.judge for part in parts if part.judge is not None]
        patches = [part.patches for part in parts if part.patches is not None]
        return Judged(
            torch.cat([part.logits for part in parts]),
            torch.cat([part.features for part in parts]),
            torch.cat(judges) if judges else None,
            torch.cat(patches) if patches else None,
        )


class Studio(Protocol):
    """Latents are in the model's scale, on the CPU."""

    def sample(self, prompt: int, seeds: Sequence[int]) -> Tensor:
        """Latents [N, …] of one prompt that the model as it is makes with the user's own sampler."""

    def judge(self, prompt: int, latents: Tensor, *, watched: bool = False) -> Judged:
        """What the reward says of samples [N, …] of one prompt; of watched ones, what the second reward says too."""


class RefreshedReward(Protocol):
    """A reward that is refitted as the generator learns."""

    def add(self, judged: Judged) -> None:
        """Refit with a round's pictures."""

    def logits(self, judged: Judged) -> Tensor:
        """[N], what the generator learns from."""

    def newest(self, judged: Judged) -> Tensor:
        """[N] by the refitted reward alone."""

    def state(self) -> dict[str, Tensor]:
        """For `load_state` of the same reward."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """As `state` gave it."""
