"""Format-aware mutations: fields and blocks of PNG, RIFF, BMFF, JPEG and TIFF are edited so that decoders believe them.

A PNG whose checksum is wrong is refused before anything is decoded; here the checksum is made right again.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from .mutation import ANY_BYTES, EXTREMES, Mutation, NothingToChange

_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF_TAGS = 256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 317, 320, 322, 339, 34675
_NESTING = {b"meta": 12, b"iinf": 14, **dict.fromkeys((b"iprp", b"ipco", b"jp2h", b"moov", b"trak"), 8)}
"""Boxes that hold others, and how long their own header is."""


@dataclass(frozen=True)
class _Block:
    """A block of a container: its kind, where it begins, where its content does, and where both end."""

    kind: bytes
    start: int
    content: int
    stop: int
    end: int


def mutations_for(content: bytes) -> Sequence[Mutation]:
    """What can be done to a file of this kind: blind mutations, and as often those that know its structure."""
    known: tuple[Mutation, ...] = ()
    if content.startswith(_PNG):
        known = (_in_blocks(_png_chunks, ">I", 0), png_pixels)
    elif content[:4] == b"RIFF":
        known = (_in_blocks(_riff_chunks, "<I", 4),)
    elif content[4:8] in (b"ftyp", b"jP  "):
        known = (_in_blocks(_boxes, ">I", 0),)
    elif content[:2] == b"\xff\xd8":
        known = (_in_blocks(_jpeg_segments, ">H", 2),)
    if b"II*\0" in content or b"MM\0*" in content:
        known += (tiff_entry,)
    return (*ANY_BYTES, *known * -(-len(ANY_BYTES) // len(known))) if known else ANY_BYTES


def png_pixels(data: bytearray, random: Random) -> str:
    """Change what the pixels' zlib stream holds: filter types and rows, fewer or more of them."""
    chunk = next((chunk for chunk in _png_chunks(data) if chunk.kind == b"IDAT"), None)
    try:
        rows = bytearray(zlib.decompress(data[chunk.content : chunk.stop])) if chunk else None
    except zlib.error:
        rows = None
    if chunk is None or rows is None:
        raise NothingToChange
    done = random.choice(ANY_BYTES)(rows, random)
    _replace(data, chunk, ">I", chunk.start, zlib.compress(bytes(rows)))
    return f"in the decompressed IDAT: {done}"


def tiff_entry(data: bytearray, random: Random) -> str:
    """Change tag, type, count or value of an entry of a TIFF directory: of the file itself, or of EXIF inside it."""
    starts = [place for mark in (b"II*\0", b"MM\0*") if (place := data.find(mark)) >= 0]
    base = min(starts, default=len(data))
    order = "<" if data[base : base + 1] == b"I" else ">"
    entries = list(_tiff_entries(data, base, order))
    if not entries:
        raise NothingToChange
    entry = random.choice(entries)
    fields = list(struct.unpack_from(f"{order}HHII", data, entry))
    values = (*EXTREMES, 5, 6, 8, 16, 32, 32773, 34892, len(data) - base)
    place = random.randrange(4)
    fields[place] = random.choice((_TIFF_TAGS, (*range(17), 255), EXTREMES, values)[place])
    struct.pack_into(f"{order}HHII", data, entry, *fields)
    return f"TIFF entry at {entry} set to tag {fields[0]}, type {fields[1]}, count {fields[2]}, value {fields[3]}"


def _in_blocks(blocks: Callable[[bytearray], Iterator[_Block]], form: str, length: int) -> Mutation:
    """The mutation of a block whose length lies `length` bytes after its beginning in struct's `form`."""

    def mutation(data: bytearray, random: Random) -> str:
        found = list(blocks(data))
        if not found:
            raise NothingToChange
        block, other = random.choice(found), random.choice(found)
        name, where = ascii(block.kind.decode("latin-1")), block.start + length
        match random.randrange(6):
            case 0:
                value = random.choice(EXTREMES) % (1 << 8 * struct.calcsize(form))
                struct.pack_into(form, data, where, value)
                return f"length of {name} set to {value}"
            case 1:
                del data[block.start : block.end]
                return f"{name} removed"
            case 2:
                times = random.choice((1, 3, 200))
                data[other.start : other.start] = data[block.start : block.end] * times
                return f"{name} repeated {times} times at {other.start}"
        content = data[block.content : block.stop]
        done = random.choice(ANY_BYTES)(content, random) if content else "nothing"
        _replace(data, block, form, where, content)
        return f"in {name}: {done}, length made right"

    return mutation


def _replace(data: bytearray, block: _Block, form: str, where: int, content: bytes) -> None:
    """Put another content into the block, and make its length and, in a PNG, its checksum right."""
    (stated,) = struct.unpack_from(form, data, where)
    grown = len(content) - (block.stop - block.content)
    struct.pack_into(form, data, where, (stated + grown) % (1 << 8 * struct.calcsize(form)))
    if data.startswith(_PNG):
        data[block.stop : block.end] = struct.pack(">I", zlib.crc32(block.kind + content))
    data[block.content : block.stop] = content


def _png_chunks(data: bytearray) -> Iterator[_Block]:
    place = len(_PNG)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        stop = place + 8 + length
        if stop + 4 > len(data):
            return
        yield _Block(bytes(data[place + 4 : place + 8]), place, place + 8, stop, stop + 4)
        place = stop + 4


def _riff_chunks(data: bytearray) -> Iterator[_Block]:
    place = 12
    while place + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, place + 4)
        stop = min(len(data), place + 8 + length)
        end = min(len(data), stop + length % 2)
        yield _Block(bytes(data[place : place + 4]), place, place + 8, stop, end)
        place = end


def _boxes(data: bytearray, start: int = 0, last: int | None = None) -> Iterator[_Block]:
    place, last = start, len(data) if last is None else last
    while place + 8 <= last:
        (length,) = struct.unpack_from(">I", data, place)
        kind = bytes(data[place + 4 : place + 8])
        end = min(last, place + length) if length >= 8 else last
        yield _Block(kind, place, place + 8, end, end)
        if kind in _NESTING:
            yield from _boxes(data, place + _NESTING[kind], end)
        place = end


def _jpeg_segments(data: bytearray) -> Iterator[_Block]:
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        (length,) = struct.unpack_from(">H", data, place + 2)
        end = min(len(data), place + 2 + max(2, length))
        yield _Block(bytes(data[place + 1 : place + 2]), place, place + 4, end, end)
        if data[place + 1] == 0xDA:  # the entropy-coded data follow
            return
        place = end


def _tiff_entries(data: bytearray, base: int, order: str) -> Iterator[int]:
    """Where the entries of the first directory lie."""
    with suppress(struct.error):  # outside the file
        (offset,) = struct.unpack_from(f"{order}I", data, base + 4)
        (count,) = struct.unpack_from(f"{order}H", data, base + offset)
        first = base + offset + 2
        yield from range(first, min(first + 12 * count, len(data) - 11), 12)
