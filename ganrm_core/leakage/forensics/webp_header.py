"""WebP header parsing: lossy or lossless, and the base quantiser of the first VP8 key frame.

Source: RFC 6386 (VP8 Data Format), sections 7.3 and 9.2 to 9.6; the WebP container specification.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

_FRAME_HEADER = 10  # bytes before the first partition: frame tag, start code, width and height
_ENOUGH = 64  # bytes of the first partition: the fields read here end before that
_MOST_CHUNKS = 64


def webp_quantiser(file: BinaryIO) -> tuple[bool, int | None]:
    """(lossless, base quantiser index 0–127) of a WebP file's first frame.

    0 is the finest. None for a lossless file, and where the header cannot be parsed.
    """
    found = _first_frame(file)
    if found is None:
        return False, None
    kind, start = found
    if kind == b"VP8L":
        return True, None
    file.seek(start)
    frame = file.read(_FRAME_HEADER + _ENOUGH)
    if len(frame) <= _FRAME_HEADER or frame[0] & 1 or frame[3:6] != b"\x9d\x01\x2a":
        return False, None
    return False, _base_quantiser(_BoolDecoder(frame[_FRAME_HEADER:]))


def webp_quality(quantiser: int, shaping: float = 1.0) -> int:
    """The encoder quality 0–100 for a base quantiser 0–127: the inverse of libwebp's QualityToCompression.

    `shaping`: the exponent that spatial noise shaping puts on the compression of the first segment; 1 is without.
    """
    linear: float = (1 - quantiser / 127) ** (3 / shaping)
    return round(100 * (1.5 * linear if linear < 0.5 else (1 + linear) / 2))


def _first_frame(file: BinaryIO) -> tuple[bytes, int] | None:
    """FourCC of the first image chunk and the offset of its data."""
    position = 12
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return None
        kind, size = head[:4], struct.unpack("<I", head[4:])[0]
        if kind in (b"VP8 ", b"VP8L"):
            return kind, position + 8
        # An animation frame: its chunks follow 16 bytes of position and timing.
        position += 8 + 16 if kind == b"ANMF" else 8 + size + size % 2
    return None


class _BoolDecoder:
    """The arithmetic decoder of RFC 6386 section 7.3. Reads zeros past the end, as the RFC specifies."""

    def __init__(self, data: bytes) -> None:
        self._data, self._next = data, 2
        self._value = int.from_bytes(data[:2].ljust(2, b"\0"), "big")
        self._range, self._shifted = 255, 0

    def flag(self, probability: int = 128) -> bool:
        split = 1 + (((self._range - 1) * probability) >> 8)
        big = split << 8
        bit = self._value >= big
        if bit:
            self._range -= split
            self._value -= big
        else:
            self._range = split
        while self._range < 128:
            self._value <<= 1
            self._range <<= 1
            self._shifted += 1
            if self._shifted == 8:
                self._shifted = 0
                self._value |= self._data[self._next] if self._next < len(self._data) else 0
                self._next += 1
        return bit

    def number(self, bits: int) -> int:
        value = 0
        for _ in range(bits):
            value = value << 1 | self.flag()
        return value

    def skip_optional(self, count: int, bits: int) -> None:
        """Skip `count` fields, each present only if the flag before it is set."""
        for _ in range(count):
            if self.flag():
                self.number(bits)


def _base_quantiser(header: _BoolDecoder) -> int:
    header.number(2)  # colour space, clamping
    if header.flag():  # segmentation
        new_map, new_data = header.flag(), header.flag()
        if new_data:
            header.flag()  # absolute values or differences
            header.skip_optional(4, 7 + 1)  # quantisers, with sign
            header.skip_optional(4, 6 + 1)  # loop filter levels, with sign
        if new_map:
            header.skip_optional(3, 8)
    header.number(1 + 6 + 3)  # loop filter: type, level, sharpness
    if header.flag() and header.flag():  # adjustments of the loop filter, and their update
        header.skip_optional(8, 6 + 1)
    header.number(2)  # partitions
    return header.number(7)
