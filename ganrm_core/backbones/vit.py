"""What all vision transformers share: which blocks are read, and how their tokens become taps."""

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
    """How the blocks of a transformer are laid out.

    `blocks` is the name of the row of blocks below the network. The first `prefix` tokens of a
    block's output stand for no place in the picture (class token, registers); the first of them is
    the class token if there is one. `widths` has the width of each block that is read,
    `embedding_width` that of the embedding.
    """

    blocks: str
    depth: int
    prefix: int
    class_token: bool
    widths: tuple[int, ...]
    embedding_width: int

    @property
    def taps(self) -> tuple[Tap, ...]:
        taps = []
        for depth, width in zip(tap_depths(self.depth), self.widths, strict=True):
            taps.append(Tap(f"block{depth}", width))
            if self.class_token:
                taps.append(Tap(f"block{depth}.cls", width, pooled=True))
        return (*taps, Tap(EMBEDDING, self.embedding_width, pooled=True))


class VitBackbone(Backbone):
    """Taps: four blocks' patch tokens, each with its class token where there is one, and the embedding.

    The network is `self.net`; subclasses say how it makes its embedding.
    """

    net: nn.Module
    layout: Layout

    @abstractmethod
    def embedding(self, pixels: Tensor) -> Tensor:
        """One whole run of the network: [B, 3, S, S] → [B, D]."""

    def features(self, pixels: Tensor, last: str | None = None) -> list[Tensor]:
        del last  # the last block is always read, and beyond it there is little to save
        # Hooks rather than `output_hidden_states`: only four of up to 48 blocks stay in memory.
        with captured_blocks(self.net, self.layout.blocks, tap_depths(self.layout.depth)) as captured:
            embedding = self.embedding(pixels)
        taps = []
        for depth in tap_depths(self.layout.depth):
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
    """The block, counted from 1, after which a tap of this name lies; None for the embedding."""
    block, _, _ = tap.partition(".")
    return int(block.removeprefix("block")) if block != EMBEDDING else None


def tap_depths(depth: int) -> tuple[int, ...]:
    """The blocks to read of `depth` blocks, counted from 1: a quarter, half, three quarters, all."""
    return tuple(dict.fromkeys(max(1, round(depth * quarter / 4)) for quarter in (1, 2, 3, 4)))


@contextmanager
def captured_blocks(net: nn.Module, blocks: str, depths: tuple[int, ...]) -> Iterator[dict[int, Tensor]]:
    """Fills the yielded dict with the outputs, [B, T, D], of the blocks at `depths` while `net` runs."""
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
    """Shapes found by running an empty picture, for networks that cannot be asked."""

    lengths: tuple[int, ...]
    widths: tuple[int, ...]
    embedding_width: int


def probe(backbone: VitBackbone, blocks: str, depth: int, input_size: int) -> Probe:
    """Number and width of the tokens of the blocks that are read, and the embedding's width."""
    with torch.no_grad(), captured_blocks(backbone.net, blocks, tap_depths(depth)) as captured:
        embedding = backbone.embedding(torch.zeros(1, 3, input_size, input_size))
    shapes = [captured[d].shape for d in tap_depths(depth)]
    return Probe(tuple(s[1] for s in shapes), tuple(s[2] for s in shapes), embedding.shape[-1])


def _keep(captured: dict[int, Tensor], depth: int, _module: nn.Module, _inputs: Any, output: Any) -> None:
    # Older transformers return a tuple from each block, and some networks a feature map.
    tokens = output[0] if isinstance(output, tuple) else output
    captured[depth] = with_spatial_tokens(tokens) if tokens.ndim == 4 else tokens


def _is_adaptable(module: nn.Module) -> bool:
    # nn.MultiheadAttention reads its output layer's weight without calling it: LoRA there does nothing.
    return isinstance(module, nn.Linear) and not isinstance(module, NonDynamicallyQuantizableLinear)
