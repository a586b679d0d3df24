"""Conversion of 16-bit, 32-bit and floating-point grey samples to 8 bits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from .image_files import UnreadableImageError
from .tiff_layouts import layout_of

Pixels = np.ndarray[Any, Any]

_AT_ONCE = 1 << 24
"""Pixels converted at a time, which bounds the memory of temporary copies."""

_UNIT, _EIGHT_BITS, _SIXTEEN_BITS = 1.0, 255.0, 65535.0
_HIGHLIGHTS = 2.0
"""Factor beyond white up to which values are clipped as overshoot of sharpening or as highlights."""
_DARKEST = 1 / 8
"""A guessed range is accepted only if the brightest value reaches this share of it."""


@dataclass(frozen=True)
class SampleRange:
    """The sample value that is white; with `inverted`, the one that is black, and 0 is white."""

    white: float
    inverted: bool = False

    def eight_bit(self, values: Pixels) -> Image.Image:
        """8-bit grey of samples [H, W] of any type; values outside the range are clipped."""
        if values.dtype.kind == "f":
            scaled = np.clip(values, 0, self.white, dtype=np.float32)  # first, so that nothing overflows
            scaled *= 255 / self.white
        else:
            scaled = np.divide(values, self.white / 255, dtype=np.float32)
        np.rint(scaled, out=scaled)
        grey = np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)
        return Image.fromarray(255 - grey if self.inverted else grey)


def bands(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture in bands of rows, each with its first row; a small one is one band."""
    rows = max(1, _AT_ONCE // picture.width)
    if rows >= picture.height:
        yield 0, picture
        return
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def sample_range(picture: Image.Image, path: str | os.PathLike[str]) -> SampleRange | None:
    """The sample range of a decoded picture; None where samples have at most 8 bits.

    Raises UnreadableImageError where they are not numbers, or where nothing tells what is white.
    """
    layout = layout_of(picture)
    inverted = layout is not None and layout.white_is_zero
    if picture.mode.startswith("I;16"):
        return SampleRange(2.0 ** max(layout.bits) - 1 if layout else _SIXTEEN_BITS, inverted)
    if picture.mode == "I":
        if picture.format in ("PNG", "PPM"):  # 16 bits by their own header
            return SampleRange(_SIXTEEN_BITS)
        return SampleRange(_white_of_integers(picture, path), inverted)
    return SampleRange(_white_of_floats(picture, path), inverted) if picture.mode == "F" else None


def _white_of_integers(picture: Image.Image, path: str | os.PathLike[str]) -> float:
    # A 32-bit file does not state its range: scanners and scientific cameras store 8 or 16 bits in it.
    lowest, highest = (int(value) for value in picture.getextrema())  # type: ignore[arg-type]
    if lowest < 0 or highest > _SIXTEEN_BITS:
        extreme = lowest if lowest < 0 else highest
        raise _no_known_range(f"its 32-bit values reach {extreme}", path)
    return _SIXTEEN_BITS if highest > _EIGHT_BITS else _EIGHT_BITS


def _white_of_floats(picture: Image.Image, path: str | os.PathLike[str]) -> float:
    """White is 1, with overshoot; 255 or 65535 for whole numbers, or where most values are far beyond 1."""
    highest, bright, light, whole = -np.inf, 0, 0, True
    for _, band in bands(picture):
        values = np.asarray(band)
        if not np.isfinite(values).all():
            raise UnreadableImageError(path, "it holds values that are not numbers", "Save it as PNG")
        highest = max(highest, float(values.max()))
        light += int((values > 0).sum())
        bright += int((values > _HIGHLIGHTS).sum())
        whole &= bool((values == np.rint(values)).all())
    if highest <= _HIGHLIGHTS or (not whole and 2 * bright <= light):
        return _UNIT
    for white in (_EIGHT_BITS, _SIXTEEN_BITS):
        if highest <= white if whole else white * _DARKEST <= highest <= white * _HIGHLIGHTS:
            return white
    raise _no_known_range(f"its values reach {highest:g}", path)


def _no_known_range(what: str, path: str | os.PathLike[str]) -> UnreadableImageError:
    return UnreadableImageError(path, f"{what}, which is no known range", "Save it with 16 or 8 bits")
