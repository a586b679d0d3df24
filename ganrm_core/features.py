"""From pictures to the vectors a head reads: taps, summarised over positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from .backbones.base import Backbone, BackboneSpec, ExecutionPlan, Tap
from .device_memory import free_cached_memory, is_out_of_memory
from .preprocessing import normalise, softened

_WORTH_A_SECOND_PASS = ("efficientnet",)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Block:
    """A run of columns of the feature vector with one meaning."""

    tap: str
    statistic: str
    start: int
    stop: int


@dataclass(frozen=True)
class Readout:
    """Which taps are read and how each becomes columns.

    Token taps give the mean and the standard deviation over positions, pooled taps themselves. With
    `response` each of these is followed by how it moves when the picture is lightly blurred: what a
    picture shows survives a blur and cancels, how it was made does not. That a network's answer to a
    small disturbance tells pictures apart was found for generated ones (He, Chen & Ho 2024,
    arXiv 2405.20112; with a blur, Tsai et al. 2024, arXiv 2411.19117).
    """

    taps: tuple[str, ...]
    response: bool = False

    def blocks(self, spec: BackboneSpec) -> tuple[Block, ...]:
        """The columns of the vector, in order."""
        blocks: list[Block] = []
        for part in ("", " response") if self.response else ("",):
            for tap in self._chosen(spec):
                for statistic in ("value",) if tap.pooled else ("mean", "std"):
                    start = blocks[-1].stop if blocks else 0
                    blocks.append(Block(tap.name, statistic + part, start, start + tap.width))
        return tuple(blocks)

    def width(self, spec: BackboneSpec) -> int:
        return self.blocks(spec)[-1].stop

    def read(self, backbone: Backbone, pixels: Tensor) -> Tensor:
        """Pictures [B, 3, S, S] in 0–1 → [B, width], float32. No gradient is stopped."""
        plain = tap_features(backbone, pixels)
        blurred = tap_features(backbone, softened(pixels)) if self.response else plain
        return self.columns(plain, blurred, backbone.spec)

    def columns(self, plain: Sequence[Tensor], blurred: Sequence[Tensor], spec: BackboneSpec) -> Tensor:
        """[B, T_i, D_i] per tap of `spec`, of pictures and of the same blurred → [B, width]."""
        columns = self._summary(plain, spec)
        if not self.response:
            return columns
        return torch.cat([columns, self._summary(blurred, spec) - columns], dim=1)

    def _summary(self, features: Sequence[Tensor], spec: BackboneSpec) -> Tensor:
        by_name = {tap.name: feature for tap, feature in zip(spec.taps, features, strict=True)}
        columns: list[Tensor] = []
        for tap in self._chosen(spec):
            tokens = by_name[tap.name].float()
            columns += [tokens[:, 0]] if tap.pooled else _mean_and_deviation(tokens)
        return torch.cat(columns, dim=1)

    def _chosen(self, spec: BackboneSpec) -> list[Tap]:
        by_name = {tap.name: tap for tap in spec.taps}
        return [by_name[name] for name in self.taps]


def _mean_and_deviation(tokens: Tensor) -> list[Tensor]:
    """[B, T, D] → two [B, D]. torch's own `std` over this dimension takes ten times as long on a CPU."""
    mean = tokens.mean(dim=1, keepdim=True)
    variance = (tokens - mean).square().mean(dim=1)
    return [mean[:, 0], variance.clamp_min(1e-20).sqrt()]  # the gradient of √0 is no number


def default_readout(spec: BackboneSpec, *, response: bool = True) -> Readout:
    """Every depth; the embedding itself, made to forget style, is left out where depths exist.

    The response costs a second pass of the backbone. It is read where it was found to be worth that, of
    convolutional networks (docs/what-works.md), unless `response` is False.
    """
    depths = tuple(tap.name for tap in spec.taps if tap.name != spec.embedding)
    return Readout(depths or (spec.embedding,), response and spec.family in _WORTH_A_SECOND_PASS)


def embedding_readout(spec: BackboneSpec) -> Readout:
    """The embedding alone, as published few-image discriminators use it."""
    return Readout((spec.embedding,))


class FeatureReader:
    """Runs a backbone over pictures of its input size and summarises its taps.

    Batch size and memory layout come from the backbone's own table, so the same pictures give the
    same vectors whoever asks.
    """

    def __init__(self, backbone: Backbone, readout: Readout) -> None:
        self.backbone = backbone
        self.readout = readout
        self._affordable: dict[torch.device, int] = {}
        if self.plan.channels_last:
            # Outside inference mode: a module moved inside it could not be trained through later.
            with torch.inference_mode(False):
                backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def device(self) -> torch.device:
        return next(self.backbone.parameters()).device

    @property
    def plan(self) -> ExecutionPlan:
        """Asked anew each time: a host may move the backbone between two calls."""
        return self.backbone.plan(self.device.type)

    @property
    def batch_size(self) -> int:
        """How many pictures run at once: the plan's number, less where the device's memory is short."""
        return self._affordable.get(self.device, self.plan.batch_size)

    def __call__(self, pixels: Tensor) -> Tensor:
        """[B, 3, S, S] in 0–1, any B → [B, width] on the backbone's device, without gradients."""
        done = self.in_batches(pixels, lambda batch: self.readout.read(self.backbone, batch))
        return torch.cat(done) if done else torch.empty(0, self.readout.width(self.backbone.spec))

    def in_batches(self, pixels: Tensor, run: Callable[[Tensor], Result]) -> list[Result]:
        """What `run` makes of each batch of pixels, moved to the backbone's device, without gradients.

        Where the device runs out of memory the batch is halved, down to one picture.
        """
        with torch.inference_mode():
            done: list[Result] = []
            position = 0
            while position < len(pixels):
                batch = pixels[position : position + self.batch_size]
                try:
                    done.append(run(batch.to(self.device)))
                except Exception as error:
                    if len(batch) == 1 or not is_out_of_memory(error):
                        raise
                    self._affordable[self.device] = len(batch) // 2
                else:
                    position += len(batch)
                    continue
                # Only here, with the exception gone, are the tensors of the failed attempt freed.
                free_cached_memory(self.device)
            return done


def tap_features(backbone: Backbone, pixels: Tensor) -> list[Tensor]:
    """Pictures [B, 3, S, S] in 0–1 → what `Backbone.features` gives, in the layout it runs best in."""
    prepared = normalise(pixels, backbone.spec)
    if backbone.plan(pixels.device.type).channels_last:
        prepared = prepared.contiguous(memory_format=torch.channels_last)
    return backbone.features(prepared)
