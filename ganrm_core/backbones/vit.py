"""Vision transformer base class: reads tokens of four blocks by forward hooks, plus the embedding."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from .base import Backbone, ExecutionPlan, Tap, with_spatial_tokens

EMBEDDING = "embedding"


@dataclass(frozen=True)
class Layout:
    """Position of blocks and special tokens in a transformer.

    `blocks` names the list of blocks (as in `named_modules`). The first `prefix` tokens of a block's output are
    class token and registers; the class token, if any, comes first. `widths` are those of the blocks that are read:
    `depths`, counted from 1, or four evenly spread ones where it is empty.
    """

    blocks: str
    depth: int
    prefix: int
    class_token: bool
    widths: tuple[int, ...]
    embedding_width: int
    depths: tuple[int, ...] = ()

    @property
    def read(self) -> tuple[int, ...]:
        """Blocks that are read, counted from 1."""
        return self.depths or tap_depths(self.depth)

    @property
    def taps(self) -> tuple[Tap, ...]:
        taps = []
        for depth, width in zip(self.read, self.widths, strict=True):
            taps.append(Tap(f"block{depth}", width))
            if self.class_token:
                taps.append(Tap(f"block{depth}.cls", width, pooled=True))
        return (*taps, Tap(EMBEDDING, self.embedding_width, pooled=True))


class VitBackbone(Backbone):
    """Taps: patch tokens of four blocks, each followed by its class token if any, and the embedding.

    Subclasses set `net` and `layout` and implement `embedding`.
    """

    net: nn.Module
    layout: Layout

    @abstractmethod
    def embedding(self, pixels: Tensor) -> Tensor:
        """Full forward pass of `net`: [B, 3, S, S] → [B, D]."""

    def features(self, pixels: Tensor, last: str | None = None) -> list[Tensor]:
        del last  # the last block is always read; stopping after it would save little
        # Hooks rather than `output_hidden_states`: only the few blocks that are read stay in memory.
        with captured_blocks(self.net, self.layout.blocks, self.layout.read) as captured:
            embedding = self.embedding(pixels)
        taps = []
        for depth in self.layout.read:
            tokens = captured[depth]
            taps.append(tokens[:, self.layout.prefix :])
            if self.layout.class_token:
                taps.append(tokens[:, :1])
        return [*taps, embedding.unsqueeze(1)]

    def plan(self, device_type: str) -> ExecutionPlan:
        return ExecutionPlan(batch_size=8 if device_type == "cpu" else 64, channels_last=False)

    def adaptable_modules(self, last_blocks: int) -> list[str]:
        first = max(0, self.layout.depth - max(0, last_blocks))
        names = []
        for index in range(first, self.layout.depth):
            path = f"net.{self.layout.blocks}.{index}"
            block = self.get_submodule(path)
            names += [f"{path}.{name}" for name, module in block.named_modules() if _is_adaptable(module)]
        return names


def depth_of(tap: str) -> int | None:
    """The block, counted from 1, that a tap reads; None for the embedding."""
    block, _, _ = tap.partition(".")
    return int(block.removeprefix("block")) if block != EMBEDDING else None


def tap_depths(depth: int) -> tuple[int, ...]:
    """Blocks to read, counted from 1: at a quarter, half, three quarters and all of `depth`."""
    return tuple(dict.fromkeys(max(1, round(depth * quarter / 4)) for quarter in (1, 2, 3, 4)))


@contextmanager
def captured_blocks(net: nn.Module, blocks: str, depths: tuple[int, ...]) -> Iterator[dict[int, Tensor]]:
    """Yields a dict that hooks fill with the outputs [B, T, D] of the blocks at `depths` when `net` runs."""
    captured: dict[int, Tensor] = {}
    hooks = [
        net.get_submodule(f"{blocks}.{depth - 1}").register_forward_hook(partial(_keep, captured, depth))
        for depth in depths
    ]
    try:
        yield captured
    finally:
        for hook in hooks:
            hook.remove()


@dataclass(frozen=True)
class Probe:
    """Output shapes measured with a blank picture, for networks whose configuration does not give them."""

    lengths: tuple[int, ...]
    widths: tuple[int, ...]
    embedding_width: int


def probe(backbone: VitBackbone, blocks: str, depth: int, input_size: int) -> Probe:
    """Measure token count and width of the blocks that are read, and the embedding's width."""
    with torch.no_grad(), captured_blocks(backbone.net, blocks, tap_depths(depth)) as captured:
        embedding = backbone.embedding(torch.zeros(1, 3, input_size, input_size))
    shapes = [captured[d].shape for d in tap_depths(depth)]
    return Probe(tuple(s[1] for s in shapes), tuple(s[2] for s in shapes), embedding.shape[-1])


def _keep(captured: dict[int, Tensor], depth: int, _module: nn.Module, _inputs: Any, output: Any) -> None:
    # Older transformers return a tuple from each block, and some networks a feature map.
    tokens = output[0] if isinstance(output, tuple) else output
    captured[depth] = with_spatial_tokens(tokens) if tokens.ndim == 4 else tokens


def _is_adaptable(module: nn.Module) -> bool:
    # nn.MultiheadAttention uses its output layer's weight without calling the layer: LoRA would have no effect.
    return isinstance(module, nn.Linear) and not isinstance(module, NonDynamicallyQuantizableLinear)
