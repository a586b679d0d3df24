"""From pictures to the vectors a head reads: taps, summarised over positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from .backbones.base import Backbone, BackboneSpec, ExecutionPlan, Tap
from .device_memory import free_cached_memory, is_out_of_memory
from .preprocessing import normalise, smaller, softened

SecondLookKind = Literal["smaller", "blurred"]

_WORTH_A_SECOND_LOOK = ("efficientnet",)
_DEEPEST_LOOKED_AT_SMALLER = "stage5"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Block:
    """A run of columns of the feature vector with one meaning."""

    tap: str
    statistic: str
    start: int
    stop: int


@dataclass(frozen=True)
class SecondLook:
    """Reading some taps again of a picture made `smaller` (3/7 of its side) or lightly `blurred`."""

    kind: SecondLookKind
    taps: tuple[str, ...]

    @property
    def at_once(self) -> int:
        """How many pass the backbone in the place of one: small pictures are quicker in larger batches."""
        return 4 if self.kind == "smaller" else 1

    def changed(self, pixels: Tensor) -> Tensor:
        """What is looked at, of pictures [B, 3, S, S] in 0–1."""
        return smaller(pixels) if self.kind == "smaller" else softened(pixels)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "taps": list(self.taps)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SecondLook:
        """Raises LookupError, TypeError or ValueError for what `to_json` never gave."""
        if data["kind"] not in _RESPONSES:
            raise ValueError(f"a second look {data['kind']!r}")
        return cls(data["kind"], tuple(data["taps"]))


Summary = dict[tuple[str, str], Tensor]
"""Statistics of pictures by tap and statistic, [B, D_i] each."""
Looks = Mapping[SecondLook | None, Summary]
"""What was seen of pictures: as they are (None), and in each second look."""


@dataclass(frozen=True)
class Readout:
    """Which taps are read and how each becomes columns.

    Token taps give the mean and the standard deviation over positions, pooled taps themselves. After all of these
    comes, for the taps of a second look, how they move with the picture: the response. What a picture shows is
    still there when it is smaller or lightly blurred and cancels, how it was made is not. That a network's answer to
    a small disturbance tells pictures apart was found for generated ones (He, Chen & Ho 2024, arXiv 2405.20112; with
    a blur, Tsai et al. 2024, arXiv 2411.19117). `second_look` reads no tap that `taps` lacks.
    """

    taps: tuple[str, ...]
    second_look: SecondLook | None = None

    def __post_init__(self) -> None:
        again = self.second_look.taps if self.second_look else ()
        if unread := sorted({*again} - {*self.taps}):
            raise ValueError(f"a second look at {', '.join(unread)}, where no first one is taken")

    @property
    def second_looks(self) -> tuple[SecondLook, ...]:
        """All that the columns need beside the picture as it is."""
        return (self.second_look,) if self.second_look else ()

    def blocks(self, spec: BackboneSpec) -> tuple[Block, ...]:
        """The columns of the vector, in order."""
        read = [(self.taps, "")]
        if self.second_look:
            read.append((self.second_look.taps, _RESPONSES[self.second_look.kind]))
        blocks: list[Block] = []
        for taps, part in read:
            for tap in _named(taps, spec):
                for statistic in _statistics(tap):
                    start = blocks[-1].stop if blocks else 0
                    blocks.append(Block(tap.name, statistic + part, start, start + tap.width))
        return tuple(blocks)

    def width(self, spec: BackboneSpec) -> int:
        return self.blocks(spec)[-1].stop

    def read(self, backbone: Backbone, pixels: Tensor) -> Tensor:
        """Pictures [B, 3, S, S] in 0–1, all in one batch → [B, width], float32. No gradient is stopped."""
        looks = {look: self.seen(backbone, pixels, look) for look in (None, *self.second_looks)}
        return self.columns(looks, backbone.spec)

    def seen(self, backbone: Backbone, pixels: Tensor, look: SecondLook | None) -> Summary:
        """What `read` needs of one look."""
        taps = look.taps if look else self.taps
        return summary(
            tap_features(backbone, look.changed(pixels) if look else pixels, taps), taps, backbone.spec
        )

    def columns(self, looks: Looks, spec: BackboneSpec) -> Tensor:
        """[B, width] from the statistics of these taps and of perhaps more."""
        columns = [looks[None][place] for place in _places(self.taps, spec)]
        if again := self.second_look:
            columns += [looks[again][place] - looks[None][place] for place in _places(again.taps, spec)]
        return torch.cat(columns, dim=1)


_RESPONSES: dict[SecondLookKind, str] = {"smaller": " response to size", "blurred": " response"}


def is_response(block: Block) -> bool:
    """Whether the block's columns say how a statistic moves."""
    return block.statistic.endswith(tuple(_RESPONSES.values()))


def answered(block: Block) -> str:
    """The statistic whose columns these are, or whose response."""
    return block.statistic.partition(" ")[0]


def _places(taps: Sequence[str], spec: BackboneSpec) -> list[tuple[str, str]]:
    return [(tap.name, statistic) for tap in _named(taps, spec) for statistic in _statistics(tap)]


def _named(taps: Sequence[str], spec: BackboneSpec) -> list[Tap]:
    by_name = {tap.name: tap for tap in spec.taps}
    return [by_name[name] for name in taps]


def _statistics(tap: Tap) -> tuple[str, ...]:
    return ("value",) if tap.pooled else ("mean", "std")


def default_readout(spec: BackboneSpec, second_look: SecondLookKind | None = "smaller") -> Readout:
    """Every depth; the embedding itself, made to forget style, is left out where depths exist.

    The second look is taken where it was found to be worth its time, by convolutional networks
    (docs/what-works.md). A smaller picture is not followed to the last stages, which add nothing there.
    """
    taps = tuple(tap.name for tap in spec.taps if tap.name != spec.embedding) or (spec.embedding,)
    if second_look is None or spec.family not in _WORTH_A_SECOND_LOOK:
        return Readout(taps)
    followed = taps[: taps.index(_DEEPEST_LOOKED_AT_SMALLER) + 1] if second_look == "smaller" else taps
    return Readout(taps, SecondLook(second_look, followed))


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

    @property
    def group_size(self) -> int:
        """How many pictures are best given at a time."""
        return self.batch_size * max((look.at_once for look in self.readout.second_looks), default=1)

    def __call__(self, pixels: Tensor) -> Tensor:
        """[B, 3, S, S] in 0–1, any B → [B, width] on the backbone's device, without gradients."""
        if not len(pixels):
            return torch.empty(0, self.readout.width(self.backbone.spec))
        looks: dict[SecondLook | None, Summary] = {None: self._seen(pixels, None)}
        for look in self.readout.second_looks:
            looks[look] = self._seen(pixels, look)
        with torch.inference_mode():
            return self.readout.columns(looks, self.backbone.spec)

    def _seen(self, pixels: Tensor, look: SecondLook | None) -> Summary:
        done = self.in_batches(
            pixels,
            lambda batch: self.readout.seen(self.backbone, batch, look),
            look.at_once if look else 1,
        )
        with torch.inference_mode():
            return {place: torch.cat([part[place] for part in done]) for place in done[0]}

    def in_batches(self, pixels: Tensor, run: Callable[[Tensor], Result], at_once: int = 1) -> list[Result]:
        """What `run` makes of each batch of pixels, moved to the backbone's device, without gradients.

        `at_once` times the batch size run together. Where the device runs out of memory the batch is halved, down
        to one picture.
        """
        with torch.inference_mode():
            done: list[Result] = []
            position = 0
            while position < len(pixels):
                batch = pixels[position : position + self.batch_size * at_once]
                try:
                    done.append(run(batch.to(self.device)))
                except Exception as error:
                    if len(batch) == 1 or not is_out_of_memory(error):
                        raise
                    self._affordable[self.device] = max(1, len(batch) // at_once // 2)
                    at_once = min(at_once, len(batch) // 2)
                else:
                    position += len(batch)
                    continue
                # Only here, with the exception gone, are the tensors of the failed attempt freed.
                free_cached_memory(self.device)
            return done


def tap_features(backbone: Backbone, pixels: Tensor, taps: Sequence[str]) -> list[Tensor]:
    """Pictures [B, 3, S, S] in 0–1 → what `Backbone.features` gives up to the last of `taps`, in the layout it runs
    best in."""
    prepared = normalise(pixels, backbone.spec)
    if backbone.plan(pixels.device.type).channels_last:
        prepared = prepared.contiguous(memory_format=torch.channels_last)
    last = next(tap.name for tap in reversed(backbone.spec.taps) if tap.name in taps)
    return backbone.features(prepared, last)


def summary(features: Sequence[Tensor], taps: Sequence[str], spec: BackboneSpec) -> Summary:
    """The statistics of these taps from what `Backbone.features` gave, as far as the last of them. Float32."""
    by_name = {tap.name: feature for tap, feature in zip(spec.taps, features, strict=False)}
    found: Summary = {}
    for tap in _named(taps, spec):
        tokens = by_name[tap.name].float()
        values = [tokens[:, 0]] if tap.pooled else _mean_and_deviation(tokens)
        found |= {
            (tap.name, statistic): value for statistic, value in zip(_statistics(tap), values, strict=True)
        }
    return found


def _mean_and_deviation(tokens: Tensor) -> list[Tensor]:
    """[B, T, D] → two [B, D]. torch's own `std` over this dimension takes ten times as long on a CPU."""
    mean = _mean(tokens)
    variance = _mean((tokens - mean).square())
    return [mean[:, 0], variance[:, 0].clamp_min(1e-20).sqrt()]  # the gradient of √0 is no number


def _mean(tokens: Tensor) -> Tensor:
    """[B, T, D] → [B, 1, D]."""
    if tokens.device.type != "cpu":  # where a product may be rounded to fewer bits
        return tokens.mean(dim=1, keepdim=True)
    count = tokens.shape[1]
    return tokens.new_full((1, 1, count), 1 / count) @ tokens  # a third less time than `mean`
