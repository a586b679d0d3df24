"""Feature layout: which backbone taps and statistics become which columns of the feature vector.

Nothing here runs a network: `tap_statistics` pools taps, `FeatureExtractor` runs the backbone in batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ...backbones.base import BackboneSpec
from ...data.transforms import smaller, softened
from .pixel_histograms import BINS, HISTOGRAMS, STATISTIC
from .tap_statistics import TapStatistics, statistics_of, taps_by_name

SecondLookKind = Literal["smaller", "blurred"]
SecondLookSetting = Literal["smaller", "blurred", "none"]

SECOND_LOOKS: tuple[SecondLookSetting, ...] = get_args(SecondLookSetting)

_FAMILIES_WITH_SECOND_LOOK = ("efficientnet",)
_DEEPEST_TAP_OF_SMALLER = "stage5"


@dataclass(frozen=True)
class Block:
    """Columns `start` to `stop` of the feature vector: one statistic of one tap, or a histogram, named as its own tap."""

    tap: str
    statistic: str
    start: int
    stop: int


@dataclass(frozen=True)
class SecondLook:
    """A second forward pass over a changed copy of the picture: `smaller` (3/7 of its side) or lightly `blurred`."""

    kind: SecondLookKind
    taps: tuple[str, ...]

    @property
    def batch_factor(self) -> int:
        """By how much the batch may grow: small pictures run faster in larger batches."""
        return 4 if self.kind == "smaller" else 1

    def changed(self, pixels: Tensor) -> Tensor:
        """The changed copy of pictures [B, 3, S, S] in 0–1."""
        return smaller(pixels) if self.kind == "smaller" else softened(pixels)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "taps": list(self.taps)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SecondLook:
        """Raises LookupError, TypeError or ValueError for anything `to_json` does not give."""
        if data["kind"] not in _RESPONSES:
            raise ValueError(f"a second look {data['kind']!r}")
        return cls(data["kind"], tuple(data["taps"]))


StatisticsByPass = Mapping[SecondLook | None, TapStatistics]
"""Statistics of each forward pass: over the picture itself (None), with its histograms, and over each changed copy."""


@dataclass(frozen=True)
class Readout:
    """Which taps become columns, and in which order.

    First the statistics of `taps`: mean and standard deviation over positions, or the vector itself of a pooled tap.
    Then, for the taps of `second_look`, the response: the statistic of the changed copy minus that of the picture.
    Content cancels out, traces of how a picture was made remain (He, Chen & Ho 2024, arXiv 2405.20112; with a blur,
    Tsai et al. 2024, arXiv 2411.19117). The taps of `second_look` must be among `taps`. Last the `histograms`, names of
    `pixel_histograms.HISTOGRAMS`, which see the picture itself and no network.
    """

    taps: tuple[str, ...]
    second_look: SecondLook | None = None
    histograms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        again = self.second_look.taps if self.second_look else ()
        if unread := sorted({*again} - {*self.taps}):
            raise ValueError(f"a second look at {', '.join(unread)}, where no first one is taken")
        if unknown := sorted({*self.histograms} - {*HISTOGRAMS}):
            raise ValueError(f"an unknown histogram, {', '.join(unknown)}")

    @property
    def second_looks(self) -> tuple[SecondLook, ...]:
        """All forward passes that the columns need beside the one over the picture itself."""
        return (self.second_look,) if self.second_look else ()

    def blocks(self, spec: BackboneSpec) -> tuple[Block, ...]:
        """Layout of the feature vector, in column order."""
        read = [(key, "") for key in _keys(self.taps, spec)]
        if again := self.second_look:
            read += [(key, _RESPONSES[again.kind]) for key in _keys(again.taps, spec)]
        read += [((name, STATISTIC), "") for name in self.histograms]
        widths = {tap.name: tap.width for tap in spec.taps} | dict.fromkeys(self.histograms, BINS)
        blocks: list[Block] = []
        for (tap, statistic), suffix in read:
            start = blocks[-1].stop if blocks else 0
            blocks.append(Block(tap, statistic + suffix, start, start + widths[tap]))
        return tuple(blocks)

    def width(self, spec: BackboneSpec) -> int:
        """Length of the feature vector."""
        return self.blocks(spec)[-1].stop

    def columns(self, passes: StatisticsByPass, spec: BackboneSpec) -> Tensor:
        """Feature vectors [B, width]. `passes` may hold more taps than are read."""
        columns = [passes[None][key] for key in _keys(self.taps, spec)]
        if again := self.second_look:
            columns += [passes[again][key] - passes[None][key] for key in _keys(again.taps, spec)]
        columns += [passes[None][name, STATISTIC] for name in self.histograms]
        return torch.cat(columns, dim=1)


@dataclass(frozen=True, init=False)
class SeveralReadouts(Readout):
    """Several readouts side by side in one vector; forward passes they have in common run once."""

    parts: tuple[Readout, ...] = ()

    def __init__(self, parts: Sequence[Readout]) -> None:
        object.__setattr__(self, "taps", tuple(dict.fromkeys(tap for part in parts for tap in part.taps)))
        object.__setattr__(self, "second_look", None)
        names = (name for part in parts for name in part.histograms)
        object.__setattr__(self, "histograms", tuple(dict.fromkeys(names)))
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

    def columns(self, passes: StatisticsByPass, spec: BackboneSpec) -> Tensor:
        return torch.cat([part.columns(passes, spec) for part in self.parts], dim=1)


_RESPONSES: dict[SecondLookKind, str] = {"smaller": " response to size", "blurred": " response"}


def is_response(block: Block) -> bool:
    """Whether the columns are differences between the changed copy and the picture."""
    return block.statistic.endswith(tuple(_RESPONSES.values()))


def is_histogram(block: Block) -> bool:
    """Whether the columns are a histogram of pixels, of which the network saw nothing."""
    return block.statistic == STATISTIC


def base_statistic(block: Block) -> str:
    """The block's statistic ("mean", "std" or "value"); of a response, the one it is a difference of."""
    return block.statistic.partition(" ")[0]


def _keys(taps: Sequence[str], spec: BackboneSpec) -> list[tuple[str, str]]:
    return [(tap.name, statistic) for tap in taps_by_name(taps, spec) for statistic in statistics_of(tap)]


def default_readout(spec: BackboneSpec, second_look: SecondLookSetting = "smaller") -> Readout:
    """Every tap but the embedding, which is trained to ignore style; the embedding alone where it is the only tap.

    Beside them all histograms. Convolutional networks take a second look, where it improves the AUC
    (docs/what-works.md). A smaller picture is read up to stage 5: later stages add nothing.
    """
    taps = tuple(tap.name for tap in spec.taps if tap.name != spec.embedding) or (spec.embedding,)
    if second_look == "none" or not supports_second_look(spec):
        return Readout(taps, histograms=HISTOGRAMS)
    followed = taps[: taps.index(_DEEPEST_TAP_OF_SMALLER) + 1] if second_look == "smaller" else taps
    return Readout(taps, SecondLook(second_look, followed), HISTOGRAMS)


def supports_second_look(spec: BackboneSpec) -> bool:
    """False for transformers: it does not help them, and most take pictures of one size only."""
    return spec.family in _FAMILIES_WITH_SECOND_LOOK


def embedding_readout(spec: BackboneSpec) -> Readout:
    """The embedding alone, as published few-image discriminators use it."""
    return Readout((spec.embedding,))
