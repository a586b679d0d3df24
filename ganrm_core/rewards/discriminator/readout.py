"""What a head reads of a picture: which taps, in which looks, and how each becomes columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ...backbones.base import Backbone, BackboneSpec, Tap
from ...data.transforms import smaller, softened
from .preprocessing import normalise

SecondLookKind = Literal["smaller", "blurred"]
SecondLookSetting = Literal["smaller", "blurred", "none"]

SECOND_LOOKS: tuple[SecondLookSetting, ...] = get_args(SecondLookSetting)

_WORTH_A_SECOND_LOOK = ("efficientnet",)
_DEEPEST_LOOKED_AT_SMALLER = "stage5"


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
        read = [(place, "") for place in _places(self.taps, spec)]
        if again := self.second_look:
            read += [(place, _RESPONSES[again.kind]) for place in _places(again.taps, spec)]
        widths = {tap.name: tap.width for tap in spec.taps}
        blocks: list[Block] = []
        for (tap, statistic), part in read:
            start = blocks[-1].stop if blocks else 0
            blocks.append(Block(tap, statistic + part, start, start + widths[tap]))
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


@dataclass(frozen=True, init=False)
class SeveralReadouts(Readout):
    """The vectors of several readouts side by side, from one reading of the backbone."""

    parts: tuple[Readout, ...] = ()

    def __init__(self, parts: Sequence[Readout]) -> None:
        object.__setattr__(self, "taps", tuple(dict.fromkeys(tap for part in parts for tap in part.taps)))
        object.__setattr__(self, "second_look", None)
        object.__setattr__(self, "parts", tuple(parts))

    @property
    def second_looks(self) -> tuple[SecondLook, ...]:
        return tuple(dict.fromkeys(look for part in self.parts for look in part.second_looks))

    def blocks(self, spec: BackboneSpec) -> tuple[Block, ...]:
        blocks: list[Block] = []
        for part in self.parts:
            start = blocks[-1].stop if blocks else 0
            blocks += [
                Block(block.tap, block.statistic, start + block.start, start + block.stop)
                for block in part.blocks(spec)
            ]
        return tuple(blocks)

    def columns(self, looks: Looks, spec: BackboneSpec) -> Tensor:
        return torch.cat([part.columns(looks, spec) for part in self.parts], dim=1)


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


def default_readout(spec: BackboneSpec, second_look: SecondLookSetting = "smaller") -> Readout:
    """Every depth; the embedding itself, made to forget style, is left out where depths exist.

    The second look is taken where it was found to be worth its time, by convolutional networks
    (docs/what-works.md). A smaller picture is not followed to the last stages, which add nothing there.
    """
    taps = tuple(tap.name for tap in spec.taps if tap.name != spec.embedding) or (spec.embedding,)
    if second_look == "none" or not takes_a_second_look(spec):
        return Readout(taps)
    followed = taps[: taps.index(_DEEPEST_LOOKED_AT_SMALLER) + 1] if second_look == "smaller" else taps
    return Readout(taps, SecondLook(second_look, followed))


def takes_a_second_look(spec: BackboneSpec) -> bool:
    """Transformers do not: theirs was not found to help, and most know pictures of one size alone."""
    return spec.family in _WORTH_A_SECOND_LOOK


def embedding_readout(spec: BackboneSpec) -> Readout:
    """The embedding alone, as published few-image discriminators use it."""
    return Readout((spec.embedding,))


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
