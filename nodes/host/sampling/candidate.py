"""One of those that compete."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .rng_state import RngState


@dataclass(eq=False)
class Candidate:
    """One seed on its way.

    `random`: as drawing the noise left torch's global random numbers: some samplers and models draw on from there.
    `steps` counts those of the schedule that it has left behind, whatever the sampler makes of them. `clean` is the
    picture it predicts so far: a latent [1, C, H, W] as the model sees it.
    """

    number: int
    seed: int
    noise: Tensor
    random: RngState
    steps: int = 0
    calls: int = 0
    """Of the model."""
    clean: Tensor | None = None
    result: Tensor | None = None
