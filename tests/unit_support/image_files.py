"""Encoded test images, PNGs chunk by chunk, and ICC profiles."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageCms

Chunk = tuple[bytes, bytes]


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The file content of `picture` in Pillow's format `kind`."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def solid(mode: str, colour: Any, size: tuple[int, int] = (4, 3)) -> Image.Image:
    return Image.new(mode, size, colour)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    width: int, height: int, depth: int, colour: int, rows: bytes, *extra: Chunk, after: Sequence[Chunk] = ()
) -> bytes:
    """A PNG of a kind that Pillow reads but cannot write; `extra` chunks before and `after` the pixels."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", head), *extra, (b"IDAT", zlib.compress(rows)), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*each) for each in chunks)


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile(padding: int = 0) -> bytes:
    """A valid RGB profile, longer by `padding`, with red and blue primaries exchanged: its effect is unmistakable."""
    data = bytearray(srgb_profile())
    for offset in range(132, 132 + 12 * struct.unpack_from(">I", data, 128)[0], 12):
        name = bytes(data[offset : offset + 4])
        if name in (b"rXYZ", b"bXYZ"):
            data[offset : offset + 4] = b"bXYZ" if name == b"rXYZ" else b"rXYZ"
    data += bytes(padding)
    struct.pack_into(">I", data, 0, len(data))
    return bytes(data)
