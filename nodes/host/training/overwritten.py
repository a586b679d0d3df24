"""Blocks that overwrite what their backward pass needs (`x += …` after a norm has read x): those reads get copies.

Without that, PyTorch refuses the backward pass, and a block that is computed again in it (`checkpointing`) silently
gets wrong gradients: there nothing compares what was read with what is there by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode

from ....ganrm_core.utils.errors import DataError
from .forward_wrappers import Forward, Wrapper

CANNOT_BE_LEARNED_THROUGH = (
    "ComfyUI computes a part of this model in a way that nothing can be learned through: it is made for sampling alone. "
    "Train another model, or try again after an update of ComfyUI."
)


def reads_copied(blocks: Iterable[nn.Module]) -> list[Wrapper]:
    """Wrappers of blocks. The first time that one runs with gradients it is run once more, to see what it overwrites."""
    return [(block, _SafeReads()) for block in blocks]


class _SafeReads:
    def __init__(self) -> None:
        self._overwritten: frozenset[str] | None = None  # unknown until it has run

    def __call__(self, original: Forward) -> Forward:
        def forward(*args: Any, **kwargs: Any) -> Any:
            if not torch.is_grad_enabled():
                return original(*args, **kwargs)
            if self._overwritten is None:
                self._overwritten = _checked(original, args, kwargs)
            with _CopiedReads(self._overwritten) if self._overwritten else nullcontext():
                return original(*args, **kwargs)

        return forward


def _checked(block: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> frozenset[str]:
    """Names of the functions whose inputs need copies. Raises DataError where copies do not help."""
    names = _overwritten(block, args, kwargs, _Reads())
    if names and _overwritten(block, args, kwargs, _CopiedReads(names)):
        raise DataError(CANNOT_BE_LEARNED_THROUGH)
    return names


def _overwritten(
    block: Forward, args: tuple[Any, ...], kwargs: dict[str, Any], reads: _Reads
) -> frozenset[str]:
    """Names of the functions that keep tensors for the backward pass which `block` writes into later."""
    kept: list[tuple[str, Tensor, int]] = []

    def keep(tensor: Tensor) -> Tensor:
        seen = tensor.detach()  # the same memory and count of writes, but no part of the graph
        if not seen.is_inference():
            kept.append((reads.name, seen, seen._version))
        return seen

    copies = [_copied(each) for each in args], {name: _copied(each) for name, each in kwargs.items()}
    with saved_tensors_hooks(keep, lambda tensor: tensor), reads:
        block(*copies[0], **copies[1])
    return frozenset(name for name, tensor, version in kept if tensor._version != version)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(value)
    return value.clone() if isinstance(value, Tensor) else value


class _Reads(TorchFunctionMode):
    """Knows the `name` of PyTorch's function that runs, "" for what is none."""

    name = ""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        self.name = getattr(func, "__name__", "")
        try:
            return func(*self.given(args), **(kwargs or {}))
        finally:
            self.name = ""

    def given(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """What the function is called with instead of `args`."""
        return args


class _CopiedReads(_Reads):
    """Gives the named functions copies of their tensors; of those that write into their first one, of the others."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self._names = names

    def given(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.name not in self._names:
            return args
        written = args[: int(self.name.endswith("_"))]
        return (*written, *(_copied(each) for each in args[len(written) :]))
