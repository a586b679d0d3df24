"""LoRA as a branch around the forward of Linear and convolution layers: y + alpha/rank · up(down(x)).

No weight is touched, so quantised and partly offloaded models stay as they are (LoRA: Hu et al. 2022).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .forward_wrappers import Forward, Wrapper
from .gradient_scale import GradientScale
from .layer_choice import is_convolution

_COMPUTE = (torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class LoraWeights:
    """`up` [out, rank, …], `down` [rank, in, …], as in a LoRA file; their product counts alpha/rank times."""

    up: Tensor
    down: Tensor
    alpha: float

    @property
    def rank(self) -> int:
        return len(self.down)


class LoraLayer:
    """One layer's branch, trained in float32. `ran`: whether a prediction came through it."""

    def __init__(self, module: Any, start: LoraWeights, device: torch.device) -> None:
        self.module = module
        self.alpha = start.alpha
        self.up = nn.Parameter(start.up.detach().to(device, torch.float32, copy=True))
        self.down = nn.Parameter(start.down.detach().to(device, torch.float32, copy=True))
        self.ran = False

    def branch(self, x: Tensor, scale: GradientScale | None) -> Tensor:
        """The branch's output, computed in x's type (float32 where layers cannot be computed in that type)."""
        x = x if x.dtype in _COMPUTE else x.float()
        down, up = (scale.unscaled(each) if scale else each for each in (self.down, self.up))
        down, up, factor = down.to(x.dtype), up.to(x.dtype), self.alpha / len(down)
        if not is_convolution(self.module):
            return F.linear(F.linear(x, down), up) * factor
        pointwise = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[up.ndim]
        return pointwise(self.module._conv_forward(x, down, None), up) * factor


class LoraLayers:
    """The branches of one model, by the layer's name."""

    def __init__(self, layers: Mapping[str, LoraLayer]) -> None:
        self.layers = dict(layers)
        self._enabled = True
        self.gradient_scale: GradientScale | None = None
        """Of the prediction that is being computed."""

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [each for layer in self.layers.values() for each in (layer.down, layer.up)]

    @property
    def bytes(self) -> int:
        return sum(each.numel() * each.element_size() for each in self.parameters)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Context in which the branches do not count: the model is the base."""
        before, self._enabled = self._enabled, False
        try:
            yield
        finally:
            self._enabled = before

    @contextmanager
    def scaled_by(self, scale: GradientScale | None) -> Iterator[None]:
        """Context in which the gradients of what is computed are scaled by `scale`."""
        before, self.gradient_scale = self.gradient_scale, scale
        try:
            yield
        finally:
            self.gradient_scale = before

    def wrappers(self) -> list[Wrapper]:
        def wrapper(layer: LoraLayer) -> Wrapper:
            return layer.module, lambda original: self._with_branch(layer, original)

        return [wrapper(layer) for layer in self.layers.values()]

    def state(self) -> dict[str, Tensor]:
        """Copies of all tensors, by name."""
        tensors = (
            (name, part, getattr(layer, part)) for name, layer in self.layers.items() for part in _PARTS
        )
        return {f"{name}.{part}": tensor.detach().clone() for name, part, tensor in tensors}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned."""
        for name, layer in self.layers.items():
            for part in _PARTS:
                getattr(layer, part).copy_(state[f"{name}.{part}"])

    def never_ran(self) -> list[str]:
        """Layers that no prediction came through: their branches have learned nothing."""
        return [name for name, layer in self.layers.items() if not layer.ran]

    def _with_branch(self, layer: LoraLayer, original: Forward) -> Forward:
        def forward(x: Tensor, *args: Any, **kwargs: Any) -> Any:
            y = original(x, *args, **kwargs)
            if not self._enabled:
                return y
            layer.ran = True
            return y + layer.branch(x, self.gradient_scale).to(y.dtype)

        return forward


_PARTS = ("down", "up")


def fresh_weights(module: Any, rank: int, alpha: float, generator: torch.Generator) -> LoraWeights:
    """Weights of a branch that does nothing yet: `up` is zero, `down` uniform as nn.Linear's own start."""
    if is_convolution(module):
        ones = (1,) * len(module.kernel_size)
        up_shape, down_shape = (
            (module.out_channels, rank, *ones),
            (rank, module.in_channels, *module.kernel_size),
        )
    else:
        up_shape, down_shape = (module.out_features, rank), (rank, module.in_features)
    bound = 1 / math.sqrt(math.prod(down_shape[1:]))
    down = torch.empty(down_shape).uniform_(-bound, bound, generator=generator)
    return LoraWeights(torch.zeros(up_shape), down, alpha)
