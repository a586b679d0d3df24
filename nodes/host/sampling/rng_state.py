"""The state of torch's global random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class RngState:
    """Of the processor and, where the model runs on one, of the graphics card, as they are now."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._states = [(module, place, module.get_rng_state(*place)) for module, place in _sources(device)]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, random numbers run on from here, and where they got to is kept; outside nothing is seen of it."""
        outside = RngState(self.device)
        self._restore()
        try:
            yield
        finally:
            self._states = RngState(self.device)._states
            outside._restore()

    def _restore(self) -> None:
        for module, place, state in self._states:
            module.set_rng_state(state, *place)


def _sources(device: torch.device) -> list[tuple[Any, tuple[torch.device, ...]]]:
    """The modules that draw, each with what it wants to know."""
    cards: dict[str, tuple[torch.device, ...]] = {"cuda": (device,), "xpu": (device,), "mps": ()}
    card = [(getattr(torch, device.type), cards[device.type])] if device.type in cards else []
    return [(torch, ()), *card]
