"""The state of torch's global random numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RandomState:
    """Of the processor and, where the model runs on one, of the graphics card."""

    device: torch.device
    cpu: Tensor
    card: Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> RandomState:
        card = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return cls(device, torch.get_rng_state(), card)

    def restore(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.card is not None:
            torch.cuda.set_rng_state(self.card, self.device)
