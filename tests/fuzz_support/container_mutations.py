"""Format-aware mutations: fields and blocks of PNG, RIFF, BMFF, JPEG and TIFF are edited so that decoders believe them.

A PNG whose checksum is wrong is refused before anything is decoded; here the checksum is made right again.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from .mutation import ANY_BYTES, EXTREMES, Mutation, NothingToChange

_Part = TypeVar("_Part")

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KINDS = b"IHDR PLTE IDAT IEND tRNS iCCP zTXt iTXt tEXt eXIf fcTL fdAT".split()
_TIFF_TAGS = 256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 317, 320, 322, 339, 34675
_NESTING = {
    b"meta": 12,
    b"iinf": 14,
    **dict.fromkeys((b"iprp", b"ipco", b"jp2h", b"moov", b"trak", b"mdia"), 8),
}
"""Boxes that hold others, and how long their own header is."""


def mutations_for(content: bytes) -> Sequence[Mutation]:
    """What can be done to a file of this kind: blind mutations, and as often those that know its structure."""
    known: tuple[Mutation, ...] = ()
    if content.startswith(_PNG):
        known = (png_chunk_content, png_chunk_content, png_header, png_reorder, png_compressed)
    elif content[:4] == b"RIFF":
        known = (riff_chunk,)
    elif content[4:8] in (b"ftyp", b"jP  "):
        known = (box_field,)
    elif content[:2] == b"\xff\xd8":
        known = (jpeg_segment, jpeg_size, tiff_entry)
    elif content[:4] in (b"II*\0", b"MM\0*"):
        known = (tiff_entry, tiff_entry, tiff_entry)
    if b"Exif\0\0" in content or b"EXIF" in content or b"eXIf" in content:
        known += (tiff_entry,)
    return (*ANY_BYTES, *known * -(-len(ANY_BYTES) // len(known))) if known else ANY_BYTES


@dataclass(frozen=True)
class _Block:
    """A block of a container: what it is called, where it begins, where its content does and where that ends."""

    kind: bytes
    start: int
    content: int
    end: int


def png_chunk_content(data: bytearray, random: Random) -> str:
    """Change bytes inside a chunk, and make length and checksum right again."""
    chunk = _chosen(_png_chunks(data), random)
    content = data[chunk.content : chunk.end]
    try:
        if not content:
            raise NothingToChange
        done = random.choice(ANY_BYTES)(content, random)
    finally:
        _replace_chunk(data, chunk, chunk.kind, bytes(content))
    return f"in chunk {_name(chunk.kind)}: {done}, checksum made right"


def png_header(data: bytearray, random: Random) -> str:
    """Another width, height, depth, colour type, compression, filter or interlace method."""
    header = _first(_png_chunks(data), b"IHDR")
    if header.end - header.content != 13:
        raise NothingToChange
    fields = list(struct.unpack_from(">IIBBBBB", data, header.content))
    place = random.randrange(len(fields))
    sizes = (*EXTREMES, 100_000, 16384, 16385)
    fields[place] = random.choice(sizes) if place < 2 else random.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    _replace_chunk(data, header, b"IHDR", struct.pack(">IIBBBBB", *fields))
    return f"IHDR field {place} set to {fields[place]}, checksum made right"


def png_reorder(data: bytearray, random: Random) -> str:
    """Remove, repeat, swap or rename a chunk."""
    chunks = list(_png_chunks(data))
    first, second = _chosen(chunks, random), _chosen(chunks, random)
    one, other = bytes(data[first.start : first.end + 4]), bytes(data[second.start : second.end + 4])
    match random.randrange(4):
        case 0:
            del data[first.start : first.end + 4]
            return f"chunk {_name(first.kind)} removed"
        case 1:
            times = random.choice((1, 3, 200))
            data[second.start : second.start] = one * times
            return f"chunk {_name(first.kind)} repeated {times} times in front of {_name(second.kind)}"
        case 2:
            swapped = sorted([(first.start, first.end, other), (second.start, second.end, one)], reverse=True)
            for start, end, new in swapped:
                data[start : end + 4] = new
            return f"chunks {_name(first.kind)} and {_name(second.kind)} swapped"
    kind = random.choice(_PNG_KINDS)
    _replace_chunk(data, first, kind, bytes(data[first.content : first.end]))
    return f"chunk {_name(first.kind)} renamed to {_name(kind)}"


def png_compressed(data: bytearray, random: Random) -> str:
    """Change what the pixels' zlib stream holds: filter types and rows, fewer or more of them."""
    chunk = _first(_png_chunks(data), b"IDAT")
    try:
        rows = bytearray(zlib.decompress(data[chunk.content : chunk.end]))
    except zlib.error:
        raise NothingToChange from None
    done = random.choice(ANY_BYTES)(rows, random)
    _replace_chunk(data, chunk, b"IDAT", zlib.compress(bytes(rows)))
    return f"in the decompressed IDAT: {done}"


def riff_chunk(data: bytearray, random: Random) -> str:
    """Change a chunk's length or content, remove it, or repeat it; the file's length follows half of the time."""
    chunk = _chosen(_riff_chunks(data), random)
    done = _change_block(data, chunk, random.randrange(4), "<I", EXTREMES, random)
    if random.random() < 0.5 and len(data) >= 8:
        struct.pack_into("<I", data, 4, len(data) - 8)
    return done


def box_field(data: bytearray, random: Random) -> str:
    """Change the length or the content of a box of ISO base media (AVIF) or JPEG 2000, nested ones too."""
    box = _chosen(_boxes(data, 0, len(data)), random)
    if random.random() < 0.4:
        value = random.choice(EXTREMES)
        struct.pack_into(">I", data, box.start, value)
        return f"length of box {_name(box.kind)} set to {value}"
    return _change_content(data, box, random)


def jpeg_segment(data: bytearray, random: Random) -> str:
    """Change a segment's length or content, remove it, or repeat it."""
    segment, lengths = _chosen(_jpeg_segments(data), random), (0, 1, 2, 3, 0x7FFF, 0xFFFF)
    return _change_block(data, segment, random.randrange(5), ">H", lengths, random, repeats=(1, 2, 100))


def jpeg_size(data: bytearray, random: Random) -> str:
    """Another precision, height, width or number of components."""
    frame = _first(_jpeg_segments(data), b"\xc0", b"\xc1", b"\xc2")
    place, code = random.choice(((0, "B"), (1, ">H"), (3, ">H"), (5, "B")))
    value = random.choice((0, 1, 2, 4, 12, 255)) if code == "B" else random.choice((0, 1, 0x7FFF, 0xFFFF))
    struct.pack_into(code, data, frame.content + place, value)
    return f"frame header at {place} set to {value}"


def tiff_entry(data: bytearray, random: Random) -> str:
    """Change tag, type, count or value of an entry of a TIFF directory: of the file itself, or of EXIF inside it."""
    starts = [place for mark in (b"II*\0", b"MM\0*") if (place := data.find(mark)) >= 0]
    if not starts:
        raise NothingToChange
    base = min(starts)
    order = "<" if data[base : base + 1] == b"I" else ">"
    entry = _chosen(_tiff_entries(data, base, order), random)
    tag, kind, count, value = struct.unpack_from(f"{order}HHII", data, entry)
    match random.randrange(4):
        case 0:
            tag = random.choice(_TIFF_TAGS)
        case 1:
            kind = random.choice((0, 1, 2, 3, 4, 5, 7, 11, 12, 13, 16, 255))
        case 2:
            count = random.choice(EXTREMES)
        case _:
            value = random.choice((*EXTREMES, 5, 6, 8, 16, 32, 32773, 34892, len(data) - base))
    struct.pack_into(f"{order}HHII", data, entry, tag, kind, count, value)
    return f"TIFF entry at {entry} set to tag {tag}, type {kind}, count {count}, value {value}"


def _change_block(
    data: bytearray, block: _Block, how: int, form: str, lengths: Sequence[int], random: Random,
    repeats: Sequence[int] = (),
) -> str:  # fmt: skip
    """Another length in the field of this form before the content, the block removed or repeated, or its content."""
    name = _name(block.kind)
    match how:
        case 0:
            value = random.choice(lengths)
            struct.pack_into(form, data, block.content - struct.calcsize(form), value)
            return f"length of {name} set to {value}"
        case 1:
            del data[block.start : block.end]
            return f"{name} removed"
        case 2:
            times = random.choice(repeats) if repeats else 1
            data[block.end : block.end] = data[block.start : block.end] * times
            return f"{name} repeated {times} times"
    return _change_content(data, block, random)


def _change_content(data: bytearray, block: _Block, random: Random) -> str:
    """Change a byte or a number without changing the block's length."""
    length, name = block.end - block.content, _name(block.kind)
    if length <= 0:
        return f"nothing changed in {name}"
    width, code = random.choice(((1, "B"), (2, "H"), (4, "I")))
    if length < width or random.random() < 0.3:
        place, value, form = random.randrange(length), random.randrange(256), "B"
    else:
        place = random.randrange(min(length, 64) - width + 1)
        value = random.choice(EXTREMES) % (1 << 8 * width)
        form = f"{random.choice('<>')}{code}"
    struct.pack_into(form, data, block.content + place, value)
    return f"{form} at {place} of {name} set to {value}"


def _chosen(parts: Iterable[_Part], random: Random) -> _Part:
    if found := list(parts):
        return random.choice(found)
    raise NothingToChange


def _first(blocks: Iterable[_Block], *kinds: bytes) -> _Block:
    for block in blocks:
        if block.kind in kinds:
            return block
    raise NothingToChange


def _name(kind: bytes) -> str:
    return ascii(kind.decode("latin-1"))


def _replace_chunk(data: bytearray, chunk: _Block, kind: bytes, content: bytes) -> None:
    length, checksum = struct.pack(">I", len(content)), struct.pack(">I", zlib.crc32(kind + content))
    data[chunk.start : chunk.end + 4] = length + kind + content + checksum


def _png_chunks(data: bytearray) -> Iterator[_Block]:
    place = len(_PNG)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            return
        yield _Block(bytes(data[place + 4 : place + 8]), place, place + 8, end)
        place = end + 4


def _riff_chunks(data: bytearray) -> Iterator[_Block]:
    place = 12
    while place + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, place + 4)
        end = min(len(data), place + 8 + length + length % 2)
        yield _Block(bytes(data[place : place + 4]), place, place + 8, end)
        place = end


def _boxes(data: bytearray, start: int, stop: int) -> Iterator[_Block]:
    place = start
    while place + 8 <= stop:
        (length,) = struct.unpack_from(">I", data, place)
        kind = bytes(data[place + 4 : place + 8])
        end = min(stop, place + length) if length >= 8 else stop
        yield _Block(kind, place, place + 8, end)
        if kind in _NESTING:
            yield from _boxes(data, place + _NESTING[kind], end)
        place = end


def _jpeg_segments(data: bytearray) -> Iterator[_Block]:
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        (length,) = struct.unpack_from(">H", data, place + 2)
        end = min(len(data), place + 2 + max(2, length))
        yield _Block(bytes(data[place + 1 : place + 2]), place, place + 4, end)
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
