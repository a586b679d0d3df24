"""TIFF writer for every sample layout: Pillow writes only a few, and it is Pillow that is tested."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NONE, DEFLATE, PACKBITS = 1, 8, 32773
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True)
class Layout:
    """How samples [H, W, S] lie in the file. `bits` 1, 2, 4 and 12 are packed, others are the samples' own type."""

    photometric: int = RGB
    bits: int = 8
    sample_format: int | None = None
    """1 unsigned, 2 signed, 3 float; None leaves the field out, which means unsigned."""
    big_endian: bool = False
    planar: bool = False
    compression: int = NONE
    predictor: int = 1
    fill_order: int = 1
    extra: Sequence[int] = ()
    rows_per_strip: int = 3
    tile: int | None = None
    """Tiles of so many pixels a side (a multiple of 16) in place of strips."""
    colours: Sequence[int] = ()
    """The colour map: all reds, all greens, all blues."""
    more: Sequence[tuple[int, int, Sequence[int]]] = ()
    """More fields: tag, type (3 SHORT, 4 LONG), values."""


def tiff(samples: NDArray[Any], layout: Layout) -> bytes:
    """A TIFF of one picture."""
    height, width, count = samples.shape
    planes = [samples[..., [each]] for each in range(count)] if layout.planar else [samples]
    side = layout.tile
    down, across = (side, side) if side else (layout.rows_per_strip, width)
    blocks = [
        _block(plane[top : top + down, left : left + across], layout)
        for plane in planes
        for top in range(0, height, down)
        for left in range(0, width, across)
    ]
    fields: list[tuple[int, int, Sequence[int]]] = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [layout.bits] * count),
        (259, 3, [layout.compression]),
        (262, 3, [layout.photometric]),
        (266, 3, [layout.fill_order]),
        (277, 3, [count]),
        (284, 3, [2 if layout.planar else 1]),
        (317, 3, [layout.predictor]),
    ]
    offsets = np.cumsum([8, *map(len, blocks)]).tolist()
    places, lengths = (324, 325) if side else (273, 279)
    fields += [(places, 4, offsets[:-1]), (lengths, 4, [len(block) for block in blocks])]
    fields += [(322, 4, [side]), (323, 4, [side])] if side else [(278, 4, [down])]
    if layout.sample_format is not None:
        fields.append((339, 3, [layout.sample_format] * count))
    if layout.extra:
        fields.append((338, 3, layout.extra))
    if layout.colours:
        fields.append((320, 3, layout.colours))
    order = ">" if layout.big_endian else "<"
    head = struct.pack(order + "2sHI", b"MM" if layout.big_endian else b"II", 42, offsets[-1])
    return head + b"".join(blocks) + directory([*fields, *layout.more], offsets[-1], order)


def _block(samples: NDArray[Any], layout: Layout) -> bytes:
    """One strip or tile."""
    if layout.tile:
        missing = [(0, layout.tile - size) for size in samples.shape[:2]]
        samples = np.pad(samples, [*missing, (0, 0)], mode="edge")
    if layout.predictor == 2:
        samples = np.diff(samples, axis=1, prepend=samples[:, :1] * 0)
    if layout.bits in (1, 2, 4, 12):
        data = b"".join(_packed(row, layout.bits) for row in samples.reshape(len(samples), -1))
    elif layout.predictor == 3:
        data = b"".join(_float_differences(row) for row in samples)
    else:
        data = samples.astype(samples.dtype.newbyteorder(">" if layout.big_endian else "<")).tobytes()
    if layout.compression == DEFLATE:
        data = zlib.compress(data)
    elif layout.compression == PACKBITS:
        data = b"".join(
            bytes([len(part) - 1]) + part for part in (data[at : at + 128] for at in range(0, len(data), 128))
        )
    return data.translate(_REVERSED) if layout.fill_order == 2 else data


def _packed(row: NDArray[Any], bits: int) -> bytes:
    text = "".join(f"{int(value):0{bits}b}" for value in row)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def _float_differences(row: NDArray[Any]) -> bytes:
    """TIFF Technical Note 3: the bytes of a row by significance, then differences between samples."""
    by_significance = np.frombuffer(row.astype(">f4").tobytes(), np.uint8).reshape(-1, 4).T.ravel()
    count = row.shape[-1]
    differences = by_significance.copy()
    differences[count:] -= by_significance[:-count]
    return differences.tobytes()


def directory(fields: Sequence[tuple[int, int, Sequence[int]]], start: int, order: str) -> bytes:
    """An image file directory that stands at `start`, in ascending order of its tags."""
    entries, values = b"", b""
    values_at = start + 2 + 12 * len(fields) + 4
    for tag, kind, numbers in sorted(fields):
        data = struct.pack(order + {3: "H", 4: "I", 5: "I"}[kind] * len(numbers), *numbers)
        place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(order + "I", values_at + len(values))
        entries += struct.pack(order + "HHI", tag, kind, len(numbers) // (2 if kind == 5 else 1)) + place
        values += data if len(data) > 4 else b""
    return struct.pack(order + "H", len(fields)) + entries + struct.pack(order + "I", 0) + values
