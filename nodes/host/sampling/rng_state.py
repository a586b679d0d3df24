"""Snapshot and restore of torch's global RNG state (CPU and accelerator)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class RngState:
    """The current RNG state of the CPU and, if the model runs on one, of the accelerator."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._states = [
            (module, place, module.get_rng_state(*place)) for module, place in _generators(device)
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Context that continues from this state and stores where it ends; the outer state is restored afterwards."""
        outside = RngState(self.device)
        self._restore()
        try:
            yield
        finally:
            self._states = RngState(self.device)._states
            outside._restore()

    def copy(self) -> RngState:
        """This state as it is now."""
        other = RngState.__new__(RngState)
        other.become(self)
        return other

    def become(self, other: RngState) -> None:
        """Take over the state of `other`, of the same device."""
        self.device, self._states = other.device, list(other._states)

    def _restore(self) -> None:
        for module, place, state in self._states:
            module.set_rng_state(state, *place)


def _generators(device: torch.device) -> list[tuple[Any, tuple[torch.device, ...]]]:
    """The modules with an RNG of their own, each with the arguments of its get and set functions."""
    cards: dict[str, tuple[torch.device, ...]] = {"cuda": (device,), "xpu": (device,), "mps": ()}
    card = [(getattr(torch, device.type), cards[device.type])] if device.type in cards else []
    return [(torch, ()), *card]
