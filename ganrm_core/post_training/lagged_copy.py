"""Lagged copy of a LoRA: the model of some rounds ago, from which a new one is learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

_PER_ROUND, _MOST = 0.02, 0.5


def kept_after(number: int) -> float:
    """Share of the lagged copy that is kept after round `number`, from 1: min(0.02·round, 0.5).

    DiffusionNFT's own (arXiv 2509.16117, section 4.1): with none, the method would be plain regression weighted by
    advantage.
    """
    return min(_PER_ROUND * number, _MOST)


class LaggedCopy:
    """Copies of parameters that follow them by an exponential moving average."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters = parameters
        self.values = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def follow(self, kept: float) -> None:
        """Go towards the parameters, but for a share `kept` in 0–1."""
        for value, parameter in zip(self.values, self._parameters, strict=True):
            value.lerp_(parameter.to(value.device), 1 - kept)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Context in which the parameters have the copy's values; nothing may be differentiated through it."""
        self._swap()
        try:
            with torch.no_grad():
                yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for place, parameter in enumerate(self._parameters):
            self.values[place], parameter.data = parameter.data, self.values[place]
