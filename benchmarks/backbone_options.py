"""Command-line options that benchmarks share: the backbone, the transformer blocks it is read after, the second look.

The library gives convolutional networks a second look and reads transformers at four depths. Here both can be varied:
`--blocks 2 4 6 8 10 12` reads a transformer after those blocks, `--second-look smaller` also lets a transformer look twice,
and `--second-side 112` says at which side in pixels (transformers interpolate their positions).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn.functional import interpolate

from ganrm_core.backbones.base import Backbone, BackboneSpec
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.backbones.vit import VitBackbone
from ganrm_core.rewards.discriminator.readout import (
    SECOND_LOOKS,
    Readout,
    SecondLook,
    default_readout,
    supports_second_look,
)


@dataclass(frozen=True)
class SizedLook(SecondLook):
    """A second look at a picture of `side` pixels."""

    side: int = 0

    def changed(self, pixels: Tensor) -> Tensor:
        size = (self.side, self.side)
        return interpolate(pixels, size, mode="bicubic", antialias=True, align_corners=False).clamp_(0, 1)


def add_backbone_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backbone",
        default="efficientnet_lite0",
        help="or efficientnet_lite2, transformers:FOLDER (default %(default)s)",
    )
    parser.add_argument(
        "--blocks", type=int, nargs="*", help="of a transformer, from 1 (default: four, evenly spread)"
    )
    parser.add_argument(
        "--second-look", choices=SECOND_LOOKS, help="of default (default: what the library does)"
    )
    parser.add_argument(
        "--second-side", type=int, help="pixels of the smaller look (default: 3/7 of the side)"
    )


def readable_backbone(name: str, blocks: Sequence[int] | None = None) -> Backbone:
    """The backbone, read after the transformer `blocks` where they are given."""
    backbone = load_backbone(name)
    if not blocks:
        return backbone
    if not isinstance(backbone, VitBackbone):
        raise SystemExit(f"--blocks is for transformers, and {name} is none.")
    layout = backbone.layout
    if not all(1 <= block <= layout.depth for block in blocks):
        raise SystemExit(f"{name} has blocks 1 to {layout.depth}.")
    widths = (layout.widths[-1],) * len(blocks)
    backbone.layout = replace(layout, depths=tuple(sorted(blocks)), widths=widths)
    backbone.spec = replace(backbone.spec, taps=backbone.layout.taps)
    return backbone


def readout_of(spec: BackboneSpec, second_look: str | None, side: int | None = None) -> Readout:
    """What `default` sees of `spec`: as in the library where nothing is asked for."""
    if side is not None and second_look not in (None, "smaller"):
        raise SystemExit("--second-side is the side of the smaller look: leave --second-look out.")
    usual = default_readout(spec, second_look or "smaller")  # type: ignore[arg-type]
    kind = second_look or ("smaller" if side else None)
    if kind in (None, "none") or (supports_second_look(spec) and side is None):
        return usual
    followed = usual.second_look.taps if usual.second_look else usual.taps
    look = SizedLook("smaller", followed, side) if side else SecondLook(kind, followed)  # type: ignore[arg-type]
    return replace(usual, second_look=look)
