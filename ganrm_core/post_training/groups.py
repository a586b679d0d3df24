"""Groups of scored samples: what a generator made of each prompt, and what a reward thinks of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..utils.errors import DataError


@dataclass(frozen=True)
class Group:
    """Samples of one prompt, N of them.

    `prompt`: its number. `latents` [N, C, H, W] float32 on the CPU, as a sampler node returns them. `logits`, `scores`,
    `uncertainty` [N] as in `Scores`. `thumbnails` [N, h, w, 3] uint8.
    """

    prompt: int
    seeds: tuple[int, ...]
    latents: Tensor
    logits: Tensor
    scores: Tensor
    uncertainty: Tensor
    thumbnails: Tensor

    def __post_init__(self) -> None:
        parts = (self.latents, self.logits, self.scores, self.uncertainty, self.thumbnails)
        if any(len(part) != len(self.seeds) for part in parts):
            raise DataError("A group has not one seed, latent and score for each of its pictures.")

    def __len__(self) -> int:
        return len(self.seeds)

    def ranking(self) -> list[int]:
        """Positions from best to worst; samples without a finite logit are left out."""
        order = torch.argsort(self.logits, descending=True, stable=True)
        return [int(place) for place in order if bool(torch.isfinite(self.logits[place]))]


@dataclass(frozen=True)
class Sampling:
    """How the samples were made: the widgets of KSampler."""

    steps: int
    cfg: float
    sampler_name: str
    scheduler: str


@dataclass(frozen=True)
class Groups:
    """All groups of one run.

    `prompts`: the texts by number. `model`, `vae`, `reward`: fingerprints of what made and scored them ("" if unknown).
    `family`: which kind of generator made them, "" if unknown.
    """

    prompts: tuple[str, ...]
    groups: tuple[Group, ...]
    sampling: Sampling
    model: str = ""
    vae: str = ""
    reward: str = ""
    family: str = ""

    def spread(self) -> float:
        """Root mean square of the within-group standard deviations of the logits; 0 for groups of one."""
        variances = []
        for group in self.groups:
            finite = group.logits[torch.isfinite(group.logits)]
            if len(finite) > 1:
                variances.append(float(finite.double().var(correction=0)))
        return (sum(variances) / len(variances)) ** 0.5 if variances else 0.0
