"""Gradient checkpointing: blocks, and layers whose weights wait in main memory, are computed again in the backward pass.

Of a block only its inputs are kept (Chen et al. 2016). Of an offloaded layer not even the weight on the graphics card
is kept: newer ComfyUI copies the next layer's weight into the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .forward_wrappers import Forward, Wrapper
from .layer_choice import all_layers, is_attention

_CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)

RecomputeContext = Callable[[], Callable[[], AbstractContextManager[None]]]
"""Called when a block is computed; returns the factory of the context in which the backward pass computes it again."""


def checkpointed_blocks(model: nn.Module, again: RecomputeContext) -> list[Wrapper]:
    """Checkpointing of each block of a diffusion model. Without gradients the blocks run as always."""
    return [(block, _Checkpointed(again)) for block in blocks_of(model)]


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """The repeated blocks of a diffusion model: innermost ones with attention, and others with two layers or more."""
    return list(_blocks(model, item=False))


def offloaded_layers(model: nn.Module) -> list[Wrapper]:
    """Recomputation of each layer that ComfyUI may leave in main memory, while it is there."""
    return [
        (module, _recomputed_while_offloaded(module))
        for module in model.modules()
        if hasattr(module, "comfy_cast_weights") and getattr(module, "weight", None) is not None
    ]


def _blocks(module: nn.Module, item: bool) -> Iterator[nn.Module]:
    inside = isinstance(module, _CONTAINERS)
    deeper = [block for child in module.children() for block in _blocks(child, item=inside)]
    # A Sequential is often iterated over by its owner, so that its own forward never runs.
    if inside or not item or any(map(_has_attention, deeper)) or len(all_layers(module)) < 2:
        yield from deeper
    else:
        yield module


def _has_attention(block: nn.Module) -> bool:
    return any(map(is_attention, all_layers(block)))


class _Checkpointed:
    """Makes a block's forward one that is computed again in the backward pass."""

    def __init__(self, again: RecomputeContext) -> None:
        self._again = again
        self._writes_inputs: bool | None = None  # unknown until it has run

    def __call__(self, original: Forward) -> Forward:
        def forward(*args: Any, **kwargs: Any) -> Any:
            if not torch.is_grad_enabled():
                return original(*args, **kwargs)
            inputs = _Inputs(args, kwargs, copied=self._writes_inputs is not False)
            surroundings, first = self._again(), True

            def run() -> Any:
                nonlocal first
                if not first:
                    with surroundings():
                        return original(*inputs.args, **inputs.kwargs)
                first = False
                return original(*args, **kwargs)

            # LoRA has no dropout: there is no randomness to repeat.
            result = checkpoint(run, use_reentrant=False, preserve_rng_state=False)
            self._writes_inputs = bool(self._writes_inputs) or inputs.were_written()
            return result

        return forward


class _Inputs:
    """A block's inputs as they were before it ran.

    Models write their progress into `transformer_options`, so dicts are copied. A few blocks write into their input
    tensors; whether this one does is found out when it runs, until when its tensors are copied too.
    """

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], copied: bool) -> None:
        given = [*args, *kwargs.values()]
        self._versions = [(each, each._version) for each in given if _has_version(each)]
        self.args = tuple(_before(each, copied) for each in args)
        self.kwargs = {name: _before(each, copied) for name, each in kwargs.items()}

    def were_written(self) -> bool:
        versions, self._versions = self._versions, []
        return any(tensor._version != version for tensor, version in versions)


def _has_version(value: Any) -> bool:
    return isinstance(value, Tensor) and not value.is_inference()


def _before(value: Any, copied: bool) -> Any:
    if isinstance(value, dict):
        return dict(value)
    return value.clone() if copied and isinstance(value, Tensor) else value


def _recomputed_while_offloaded(module: Any) -> Callable[[Forward], Forward]:
    def around(original: Forward) -> Forward:
        def forward(x: Any, *args: Any, **kwargs: Any) -> Any:
            offloaded = isinstance(x, Tensor) and x.requires_grad and module.weight.device != x.device
            if not (offloaded and torch.is_grad_enabled()):
                return original(x, *args, **kwargs)
            return _Recomputed.apply(x, lambda again: original(again, *args, **kwargs))  # type: ignore[no-untyped-call]

        return forward

    return around


class _Recomputed(torch.autograd.Function):
    """A layer of one tensor input and frozen weights; keeps the input alone for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.layer = layer
        return layer(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            again = x.detach().requires_grad_()
            (found,) = torch.autograd.grad(ctx.layer(again), again, gradient)
        return found, None
