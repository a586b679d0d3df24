"""PNG text, profile and EXIF chunks of any size: hidden from Pillow's decoder, which limits them, and parsed here."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

MOST = 16 << 20
"""Most bytes of a decompressed text or colour profile: as much as a JPEG can hold of a profile."""

_PIXELS_AT = 8
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_HIDDEN = (*_TEXTS, b"iCCP")
# Where Pillow's `getexif` looks for the orientation.
_EXIF_TEXT, _XMP = "Raw profile type exif", "XML:com.adobe.xmp"


class Chunk(NamedTuple):
    """A chunk's type, the offset of its data, and their length."""

    name: bytes
    start: int
    length: int


class PngWithoutText:
    """File object for a decoder that hides a PNG's text and colour profile chunks.

    Pillow refuses a picture whose compressed text or profile is longer than 1 MB, or whose texts take more than
    64 MB together. These limits are global, so they are bypassed instead of changed: text and profile chunks are
    skipped, and `info` gives what the pixels depend on.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._next: int | None = _PIXELS_AT
        self._hidden: list[Chunk] = []

    def read(self, size: int | None = -1, /) -> bytes:
        if self._file.tell() == self._next:
            self._skip_hidden()
        return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def info(self) -> dict[str, Any]:
        """What Pillow would put into `Image.info` for the chunks hidden so far: colour profile, EXIF and XMP."""
        place = self._file.tell()
        found: dict[str, Any] = {}
        for chunk in self._hidden:
            if chunk.name == b"iCCP":
                found["icc_profile"] = _profile(_data(self._file, chunk))
            elif (text := _text(self._file, chunk)) is not None:
                key, value = text
                if key == _XMP:
                    found |= {key: value.decode("utf-8", "replace"), "xmp": value}
                elif key == _EXIF_TEXT:
                    found[key] = value.decode("latin-1")
                elif key == "exif":
                    found[key] = value
        self._hidden.clear()
        self._file.seek(place)
        return found

    def _skip_hidden(self) -> None:
        assert self._next is not None
        while chunk := _chunk_at(self._file, self._next):
            end = chunk.start + chunk.length + 4
            if chunk.name not in _HIDDEN:
                self._file.seek(self._next)
                self._next = end
                return
            self._hidden.append(chunk)
            self._next = end
        self._file.seek(self._next)
        self._next = None


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a PNG file, up to its end or the first incomplete one."""
    place = _PIXELS_AT
    while chunk := _chunk_at(file, place):
        yield chunk
        place = chunk.start + chunk.length + 4


def texts(file: BinaryIO, wanted: str) -> Iterator[str]:
    """Texts under the keyword `wanted`, of every kind, anywhere in the file."""
    for chunk in chunks(file):
        if chunk.name in _TEXTS and (text := _text(file, chunk)) is not None and text[0] == wanted:
            yield text[1].decode("utf-8" if chunk.name == b"iTXt" else "latin-1", "replace")


def first_chunk(file: BinaryIO, name: bytes) -> bytes | None:
    """The data of the first chunk called `name`, anywhere in the file; None where there is none."""
    return next((_data(file, chunk) for chunk in chunks(file) if chunk.name == name), None)


def xmp_text(file: BinaryIO) -> bytes | None:
    """The XMP packet, anywhere in the file, as it is; None where there is none.

    Raises zlib.error for one that is damaged, or longer than `MOST`.
    """
    start = _XMP.encode() + b"\0"
    for chunk in chunks(file):
        file.seek(chunk.start)
        if chunk.name == b"iTXt" and file.read(len(start)) == start:
            if (text := _text(file, chunk)) is None:
                raise zlib.error("damaged or too long")
            return text[1]
    return None


def _chunk_at(file: BinaryIO, place: int) -> Chunk | None:
    file.seek(place)
    head = file.read(8)
    if len(head) < 8:
        return None
    length, name = struct.unpack(">I4s", head)
    return Chunk(name, place + 8, length)


def _data(file: BinaryIO, chunk: Chunk) -> bytes:
    """The chunk's data; empty where it is too long."""
    file.seek(chunk.start)
    return file.read(chunk.length) if chunk.length <= MOST else b""


def _text(file: BinaryIO, chunk: Chunk) -> tuple[str, bytes] | None:
    """(keyword, text); None where it is damaged or too long."""
    keyword, found, value = _data(file, chunk).partition(b"\0")
    packed = chunk.name == b"zTXt"
    if packed:
        method, value = value[:1], value[1:]
    elif chunk.name == b"iTXt":
        flag, method, rest = value[:1], value[1:2], value[2:]
        packed = flag != b"\0"
        value = rest.split(b"\0", 2)[-1]  # after the language and the translated keyword
    text = (_unpacked(value) if method == b"\0" else None) if packed else value
    return None if text is None or not found else (keyword.decode("latin-1"), text)


def _profile(data: bytes) -> bytes | None:
    _, _, rest = data.partition(b"\0")
    return _unpacked(rest[1:]) if rest[:1] == b"\0" else None


def _unpacked(data: bytes) -> bytes | None:
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data, MOST)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail else unpacked
