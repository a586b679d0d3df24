"""Splits a vision transformer: the frozen lower blocks run once per picture, the upper ones in every LoRA step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..utils.error_text import reason
from ..utils.errors import BackboneError
from .vit import VitBackbone, depth_of

_CLOSE = 1e-3


class Trunk:
    """Patch embedding and all but the last `above` blocks of `backbone`.

    Raises BackboneError where a trial run shows that the last blocks cannot run from a stored hidden state.
    """

    def __init__(self, backbone: VitBackbone, above: int) -> None:
        self._backbone = backbone
        layout = backbone.layout
        self._first = max(0, layout.depth - above)
        row = backbone.net.get_submodule(layout.blocks)
        self._blocks = list(row.children())
        self._tuples = False
        self._check_resumes()

    @property
    def frozen_taps(self) -> frozenset[str]:
        """Names of the taps inside the trunk."""
        depths = ((tap.name, depth_of(tap.name)) for tap in self._backbone.spec.taps)
        return frozenset(name for name, depth in depths if depth is not None and depth <= self._first)

    def read(self, pixels: Tensor) -> tuple[list[Tensor], Tensor]:
        """Normalised pixels [B, 3, S, S] → output of `Backbone.features`, and the hidden state [B, …] after the trunk."""
        states: list[Tensor] = []

        def keep_input(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            states.append(args[0] if args else kwargs["hidden_states"])

        hook = self._blocks[self._first].register_forward_pre_hook(keep_input, with_kwargs=True)
        try:
            features = self._backbone.features(pixels)
        finally:
            hook.remove()
        return features, states[0]

    def go_on(self, state: Tensor) -> list[Tensor]:
        """`Backbone.features` from hidden states [B, …] instead of pixels. Frozen taps are undefined."""
        size = self._backbone.spec.input_size
        with self._skipped(state):
            return self._backbone.features(state.new_zeros(len(state), 3, size, size))

    @contextmanager
    def _skipped(self, state: Tensor) -> Iterator[None]:
        """Bypass the trunk's blocks, and feed `state` to the first block above them."""

        def replace_input(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return ((state, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": state})

        trunk = self._blocks[: self._first]
        hook = self._blocks[self._first].register_forward_pre_hook(replace_input, with_kwargs=True)
        for block in trunk:
            block.forward = self._identity()
        try:
            yield
        finally:
            hook.remove()
            for block in trunk:
                del block.forward  # uncovers the class's method

    def _identity(self) -> Callable[..., Any]:
        # Older transformers return a tuple from each block.
        def forward(hidden_states: Tensor, *_: Any, **__: Any) -> Any:
            return (hidden_states,) if self._tuples else hidden_states

        return forward

    def _check_resumes(self) -> None:
        size = self._backbone.spec.input_size
        device = next(self._backbone.parameters()).device
        pixels = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)

        def detect_tuple(_: nn.Module, __: Any, output: Any) -> None:
            self._tuples = isinstance(output, tuple)

        hook = self._blocks[0].register_forward_hook(detect_tuple)
        try:
            with torch.inference_mode():
                whole, state = self.read(pixels)
                hook.remove()
                again = self.go_on(state)
            close = all(
                torch.allclose(one, other, rtol=_CLOSE, atol=_CLOSE * float(one.abs().max()))
                for tap, one, other in zip(self._backbone.spec.taps, whole, again, strict=True)
                if tap.name not in self.frozen_taps
            )
            why = "they give other features"
        except Exception as error:
            close, why = False, reason(error)
        finally:
            hook.remove()
        if not close:
            raise BackboneError(
                f"The last blocks of {self._backbone.spec.name} cannot be run by themselves ({why}), so LoRA cannot "
                "adapt them. Set adapt to none, or use a CLIP, SigLIP or DINOv2 vision encoder."
            )
