"""LoRA as a branch around the forward of Linear and convolution layers: y + alpha/rank · up(down(x)).

No weight is touched, so quantised and partly offloaded models stay as they are. The branches are injected by
ComfyUI's `ModelPatcher`, which takes them out and puts them in again as it loads and unloads the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from comfy.patcher_extension import PatcherInjection
from torch import Tensor, nn
from torch.nn import functional as F

from .layer_choice import is_convolution

KEY = "gan_rm_lora"
"""Under which the injections are known to a ModelPatcher."""

_COMPUTE = (torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class LoraWeights:
    """`up` [out, rank, …], `down` [rank, in, …], as in a LoRA file; the branch is multiplied by alpha/rank."""

    up: Tensor
    down: Tensor
    alpha: float

    @property
    def rank(self) -> int:
        return len(self.down)


class LoraLayer:
    """One layer's branch. `down` starts as `nn.Linear` does and `up` with zeros: at first the model is the base."""

    def __init__(self, name: str, module: Any, start: LoraWeights, device: torch.device) -> None:
        self.name = name
        self.module = module
        self.alpha = start.alpha
        self.up = nn.Parameter(start.up.detach().to(device, torch.float32, copy=True))
        self.down = nn.Parameter(start.down.detach().to(device, torch.float32, copy=True))
        self.ran = False

    @property
    def scale(self) -> float:
        return self.alpha / len(self.down)

    def branch(self, x: Tensor) -> Tensor:
        """The branch's output, in x's type (float32 if layers cannot be computed in that type)."""
        x = x if x.dtype in _COMPUTE else x.float()
        down, up = self.down.to(x.dtype), self.up.to(x.dtype)
        if not is_convolution(self.module):
            return F.linear(F.linear(x, down), up) * self.scale
        inner = self.module._conv_forward(x, down, None)
        return _pointwise(inner, up) * self.scale


@dataclass
class LoraLayers:
    """The branches of one model. `enabled`: whether they count; without them the model is the base."""

    layers: dict[str, LoraLayer]
    enabled: bool = True
    _outside: dict[str, Any] = field(default_factory=dict)
    _injected: dict[str, Any] = field(default_factory=dict)

    def parameters(self) -> list[nn.Parameter]:
        return [each for layer in self.layers.values() for each in (layer.down, layer.up)]

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Context in which the model is the base."""
        before, self.enabled = self.enabled, False
        try:
            yield
        finally:
            self.enabled = before

    def injection(self) -> PatcherInjection:
        """What a `ModelPatcher` needs to put the branches in and take them out."""
        return PatcherInjection(lambda _patcher: self.inject(), lambda _patcher: self.eject())

    def inject(self) -> None:
        """Put the branches in, unless they are in already."""
        for name, layer in self.layers.items():
            if name in self._injected:
                continue
            held = vars(layer.module)
            if "forward" in held:  # somebody else's branch lies around the layer
                self._outside[name] = held["forward"]
            layer.module.forward = self._injected[name] = self._around(layer, layer.module.forward)

    def eject(self) -> None:
        """Take the branches out, unless they are out already."""
        for name, ours in list(self._injected.items()):
            held = vars(self.layers[name].module)
            before = self._outside.pop(name, None)
            if held.get("forward") is ours:
                if before is None:
                    del held["forward"]
                else:
                    held["forward"] = before
            del self._injected[name]

    def state(self) -> dict[str, Tensor]:
        """Copies of all tensors, by name."""
        return {
            f"{name}.{part}": getattr(layer, part).detach().clone()
            for name, layer in self.layers.items()
            for part in ("down", "up")
        }

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned."""
        for name, layer in self.layers.items():
            layer.down.copy_(state[f"{name}.down"])
            layer.up.copy_(state[f"{name}.up"])

    def never_ran(self) -> list[str]:
        """Layers whose forward no prediction came through: their branches have learned nothing."""
        return [name for name, layer in self.layers.items() if not layer.ran]

    def _around(self, layer: LoraLayer, original: Any) -> Any:
        def forward(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            y: Tensor = original(x, *args, **kwargs)
            if not self.enabled or layer.name not in self._injected:
                return y
            layer.ran = True
            return y + layer.branch(x).to(y.dtype)

        return forward


def fresh_weights(module: Any, rank: int, alpha: float, generator: torch.Generator) -> LoraWeights:
    """Weights of a branch that does nothing yet."""
    if is_convolution(module):
        kernel = tuple(module.kernel_size)
        up, down = (module.out_channels, rank), (rank, module.in_channels)
        up_shape, down_shape = (*up, *(1 for _ in kernel)), (*down, *kernel)
    else:
        up_shape, down_shape = (module.out_features, rank), (rank, module.in_features)
    # nn.Linear's own start: uniform in ±1/√(inputs).
    bound = 1 / math.sqrt(math.prod(down_shape[1:]))
    start = torch.empty(down_shape).uniform_(-bound, bound, generator=generator)
    return LoraWeights(torch.zeros(up_shape), start, alpha)


def _pointwise(x: Tensor, up: Tensor) -> Tensor:
    """A convolution with a kernel of one pixel."""
    convolutions = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}
    return convolutions[up.ndim](x, up)
