"""Optimiser of a LoRA that is trained round after round: AdamW with clipped gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..utils.errors import DataError

_BETAS, _CLIP, _WEIGHT_DECAY = (0.9, 0.99), 1.0, 0.01
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class NotANumberError(DataError):
    """A loss or a gradient is not finite."""


class LoraOptimiser:
    """Steps of AdamW on `parameters`."""

    def __init__(self, parameters: Sequence[nn.Parameter], learning_rate: float) -> None:
        self._parameters = list(parameters)
        self._adam = torch.optim.AdamW(
            self._parameters, lr=learning_rate, betas=_BETAS, weight_decay=_WEIGHT_DECAY
        )

    def clear(self) -> None:
        """Forget all gradients."""
        self._adam.zero_grad(set_to_none=True)

    def step(self, losses: Sequence[float]) -> None:
        """One step. Raises NotANumberError, before anything changes, where `losses` or gradients are not finite."""
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, _CLIP)
        if not all(map(math.isfinite, losses)) or not bool(torch.isfinite(norm)):
            raise NotANumberError("The loss is no number. Train again with a lower learning rate.")
        self._adam.step()

    def state(self) -> dict[str, Tensor]:
        """Copies of parameters and moments, for `load_state`."""
        found: dict[str, Tensor] = {}
        for number, parameter in enumerate(self._parameters):
            found[f"parameter/{number}"] = parameter.detach().clone()
            for name in _MOMENTS:
                if name in self._adam.state[parameter]:
                    found[f"{name}/{number}"] = self._adam.state[parameter][name].clone()
        return found

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        for number, parameter in enumerate(self._parameters):
            parameter.copy_(state[f"parameter/{number}"])
            moments = {name: state[f"{name}/{number}"] for name in _MOMENTS if f"{name}/{number}" in state}
            # A step count stays on the CPU, where AdamW wants it.
            self._adam.state[parameter] = {
                name: value.clone() if name == "step" else value.to(parameter.device, copy=True)
                for name, value in moments.items()
            }
