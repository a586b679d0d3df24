"""TIFF sample layouts: which of them Pillow decodes wrongly, and what their samples mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_SAMPLES, _STRIP_BYTES, _PLANAR, _COLOUR_MAP, _TILE_BYTES, _EXTRA, _FORMAT = 277, 279, 284, 320, 325, 338, 339
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE, _YCBCR, _LAB = 0, 1, 3, 6, 8
_COLOURS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "LAB"}
_KINDS = {1: "", 2: " signed", 3: " floating-point"}


@dataclass(frozen=True)
class TiffLayout:
    """Sample layout of a TIFF, by the tag values of the TIFF 6 specification.

    `whole`: whether an uncompressed file holds three bytes for each pixel.
    """

    photometric: int
    bits: tuple[int, ...]
    sample_format: int
    planar: bool
    reversed_bits: bool
    big_endian: bool
    compressed: bool
    extra: tuple[int, ...]
    whole: bool

    @classmethod
    def of(cls, tags: Mapping[int, Any], *, big_endian: bool) -> TiffLayout:
        """The layout in a TIFF's tags. Raises ValueError or TypeError for invalid values."""
        held = sum(_numbers(tags, _STRIP_BYTES, 0)) or sum(_numbers(tags, _TILE_BYTES, 0))
        return cls(
            photometric=_numbers(tags, _PHOTOMETRIC, 0)[0],
            bits=_numbers(tags, _BITS, 1),
            sample_format=max(_numbers(tags, _FORMAT, 1)),
            planar=_numbers(tags, _PLANAR, 1)[0] == 2 and _numbers(tags, _SAMPLES, 1)[0] > 1,
            reversed_bits=_numbers(tags, _FILL_ORDER, 1)[0] == 2,
            big_endian=big_endian,
            compressed=_numbers(tags, _COMPRESSION, 1)[0] != 1,
            extra=_numbers(tags, _EXTRA),
            whole=held >= 3 * _numbers(tags, _WIDTH, 0)[0] * _numbers(tags, _LENGTH, 0)[0],
        )

    @property
    def white_is_zero(self) -> bool:
        return self.photometric == _WHITE_IS_ZERO

    def read_wrong_as(self, mode: str) -> bool:
        """Whether Pillow, having opened it in this mode, decodes other pixels than the file holds, or fails.

        Found by comparing every layout with the samples written, on Pillow 10.1 and 13.
        """
        if self.sample_format == 2 and max(self.bits) < 32:
            return True  # decoded as unsigned, or half as bright
        if self.compressed and self.big_endian and (max(self.bits) == 32 or self.sample_format == 3):
            return True  # wrong byte order
        if self.photometric == _YCBCR and not self.compressed:
            # Pillow ignores subsampled chroma, which takes fewer bytes; older versions convert nothing.
            return not self.whole or self.planar or mode != "YCbCr"
        if self.reversed_bits and not self.compressed:
            inverted = self.white_is_zero and max(self.bits) == 8
            return inverted or self.planar or (self.photometric == _PALETTE and max(self.bits) < 8)
        return self.planar and self._planes_mixed_up()

    def _planes_mixed_up(self) -> bool:
        if self.photometric == _LAB:
            return True
        if self.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE):
            return not self.compressed or any(self.extra)
        if self.compressed:
            return len(self.extra) > 1 and any(self.extra)
        # Uncompressed planes are decoded as 8 bits, by the letters of the mode: only separate alpha is right.
        return max(self.bits) != 8 or self.extra not in ((), (2,))

    def __str__(self) -> str:
        """Such as "16-bit floating-point RGB in separate planes"."""
        colours = _COLOURS.get(self.photometric, f"colour space {self.photometric}")
        kind = _KINDS.get(self.sample_format, f" sample format {self.sample_format}")
        depth = "/".join(str(bits) for bits in sorted({*self.bits})[:4])
        return (
            f"{depth}-bit{kind} {colours}"
            + (f" with {len(self.extra)} extra sample{'s' * (len(self.extra) > 1)}" if self.extra else "")
            + (" in separate planes" if self.planar else "")
            + (" with reversed bits" if self.reversed_bits else "")
            + (", big-endian" if self.big_endian and max(self.bits) > 8 else "")
            + (", compressed" if self.compressed else "")
        )


def layout_of(picture: Image.Image) -> TiffLayout | None:
    """The layout of a picture opened by Pillow; None where it is no TIFF or its tags are invalid."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return None
    return _layout(picture.tag_v2)


def layout_in(file: BinaryIO) -> TiffLayout | None:
    """The layout of a TIFF that Pillow does not open; None where its tags cannot be read."""
    try:
        file.seek(0)
        head = file.read(8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(head + file.read(8) if head[2] == 43 else head)
        file.seek(tags.next)
        tags.load(file)
        return _layout(tags) if _WIDTH in tags and _LENGTH in tags else None
    except Exception:  # a damaged directory raises anything
        return None


def with_scaled_palette(picture: Image.Image) -> Image.Image:
    """The picture, or a copy with its true colours if its palette has 8 bits instead of the 16 of the specification.

    Some programs write such, and Pillow makes every colour nearly black.
    """
    if picture.mode not in ("P", "PA") or not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return picture
    colours = np.asarray(picture.tag_v2[_COLOUR_MAP])
    if colours.max() > 255:
        return picture
    fixed = picture.copy()
    fixed.putpalette(colours.reshape(3, -1).T.astype(np.uint8).tobytes())
    return fixed


def _layout(tags: TiffImagePlugin.ImageFileDirectory_v2) -> TiffLayout | None:
    try:
        return TiffLayout.of(tags, big_endian=tags.prefix == b"MM")
    except (ValueError, TypeError, IndexError):
        return None


def _numbers(tags: Mapping[int, Any], tag: int, *default: int) -> tuple[int, ...]:
    value = tags.get(tag, default)
    return tuple(int(each) for each in (value if isinstance(value, tuple) else (value,)))
