"""Random noise levels to train at, spread as a sampler's own schedule."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..utils.errors import DataError


@dataclass(frozen=True)
class NoiseLevels:
    """A sampler's noise levels in falling order, without the final 0: what the generator is asked about when it is used."""

    sigmas: Tensor

    @classmethod
    def of_schedule(cls, sigmas: Tensor) -> NoiseLevels:
        """From the sigmas [T + 1] of a schedule. Raises DataError if fewer than two are above 0."""
        above = sigmas[sigmas > 0].float().cpu()
        if len(above) < 2:
            raise DataError("The schedule has fewer than two steps, too few to train at. Use more steps.")
        return cls(above)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` levels, log-uniform between neighbours of the schedule, one from each of `count` equal parts of it."""
        places = (torch.arange(count) + torch.rand(count, generator=generator)) / count
        return self.at(places[torch.randperm(count, generator=generator)])

    def at(self, shares: Tensor) -> Tensor:
        """Levels at `shares` of the schedule, from 0 (noisiest) to 1."""
        places = shares * (len(self.sigmas) - 1)
        low = places.floor().long().clamp(max=len(self.sigmas) - 2)
        logs = self.sigmas.log()
        return torch.lerp(logs[low], logs[low + 1], places - low).exp()
