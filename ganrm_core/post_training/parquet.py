"""Minimal Apache Parquet writer: required columns of bytes, text or doubles, plain and uncompressed.

Enough for preference sets whose pictures are bytes inside a table, which no plain folder can hold; pyarrow, which ComfyUI
does not require, would be 150 MB for it. Format: github.com/apache/parquet-format, README and parquet.thrift; its
structures are in Thrift's compact protocol.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

Kind = Literal["bytes", "text", "double"]

_MAGIC = b"PAR1"
_DOUBLE, _BYTE_ARRAY = 5, 6
_PLAIN, _RLE = 0, 3
_REQUIRED, _UTF8 = 0, 0
_INT32, _INT64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12

_Field = tuple[int, int, bytes]
"""Thrift field: id, type, encoded value."""


@dataclass(frozen=True)
class _RowGroup:
    encoded: bytes
    rows: int


class ParquetWriter:
    """Writes row groups one after the other, so that only one is in memory. Call `close` at the end."""

    def __init__(self, file: BinaryIO, columns: Mapping[str, Kind]) -> None:
        self._file, self._columns = file, dict(columns)
        self._groups: list[_RowGroup] = []
        self._place = 0
        self._write(_MAGIC)

    def write(self, rows: Sequence[Mapping[str, bytes | str | float]]) -> None:
        """One row group, of at most 2 GiB a column."""
        chunks, size = [], 0
        for name, kind in self._columns.items():
            values = b"".join(_plain(row[name], kind) for row in rows)
            header = _page_header(len(values), len(rows))
            start = self._place
            self._write(header + values)
            size += self._place - start
            chunks.append(_column_chunk(name, kind, len(rows), start, self._place - start))
        group = _structure(
            [(1, _LIST, _list(_STRUCT, chunks)), (2, _INT64, _zigzag(size)), (3, _INT64, _zigzag(len(rows)))]
        )
        self._groups.append(_RowGroup(group, len(rows)))

    def close(self) -> None:
        """Write the footer."""
        root = _structure([(4, _BINARY, _binary(b"schema")), (5, _INT32, _zigzag(len(self._columns)))])
        schema = [root, *(_schema_element(name, kind) for name, kind in self._columns.items())]
        footer = _structure(
            [
                (1, _INT32, _zigzag(1)),
                (2, _LIST, _list(_STRUCT, schema)),
                (3, _INT64, _zigzag(sum(group.rows for group in self._groups))),
                (4, _LIST, _list(_STRUCT, [group.encoded for group in self._groups])),
                (6, _BINARY, _binary(b"GAN-RM")),
            ]
        )
        self._write(footer + struct.pack("<I", len(footer)) + _MAGIC)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._place += len(data)


def _plain(value: bytes | str | float, kind: Kind) -> bytes:
    if isinstance(value, float) and kind == "double":
        return struct.pack("<d", value)
    data = value.encode() if isinstance(value, str) and kind == "text" else value
    if not isinstance(data, bytes) or kind == "double":
        raise TypeError(f"{value!r} is no {kind}")
    return struct.pack("<I", len(data)) + data


def _page_header(size: int, rows: int) -> bytes:
    """A data page without levels: every column is required and flat."""
    page = _structure(
        [
            (1, _INT32, _zigzag(rows)),
            (2, _INT32, _zigzag(_PLAIN)),
            (3, _INT32, _zigzag(_RLE)),
            (4, _INT32, _zigzag(_RLE)),
        ]
    )
    sizes = [(number, _INT32, _zigzag(size)) for number in (2, 3)]
    return _structure([(1, _INT32, _zigzag(0)), *sizes, (5, _STRUCT, page)])


def _column_chunk(name: str, kind: Kind, rows: int, start: int, size: int) -> bytes:
    encodings = _list(_INT32, [_zigzag(_PLAIN), _zigzag(_RLE)])
    metadata = _structure(
        [
            (1, _INT32, _zigzag(_physical(kind))),
            (2, _LIST, encodings),
            (3, _LIST, _list(_BINARY, [_binary(name.encode())])),
            (4, _INT32, _zigzag(0)),  # not compressed
            (5, _INT64, _zigzag(rows)),
            (6, _INT64, _zigzag(size)),
            (7, _INT64, _zigzag(size)),
            (9, _INT64, _zigzag(start)),
        ]
    )
    return _structure([(2, _INT64, _zigzag(start)), (3, _STRUCT, metadata)])


def _schema_element(name: str, kind: Kind) -> bytes:
    fields: list[_Field] = [
        (1, _INT32, _zigzag(_physical(kind))),
        (3, _INT32, _zigzag(_REQUIRED)),
        (4, _BINARY, _binary(name.encode())),
    ]
    return _structure([*fields, (6, _INT32, _zigzag(_UTF8))] if kind == "text" else fields)


def _physical(kind: Kind) -> int:
    return _DOUBLE if kind == "double" else _BYTE_ARRAY


def _structure(fields: Sequence[_Field]) -> bytes:
    """Fields in ascending order of their ids, each less than 16 above the one before."""
    encoded, last = b"", 0
    for number, kind, value in fields:
        encoded += bytes([(number - last) << 4 | kind]) + value
        last = number
    return encoded + b"\0"


def _list(kind: int, values: Sequence[bytes]) -> bytes:
    count = len(values)
    head = bytes([count << 4 | kind]) if count < 15 else bytes([0xF0 | kind]) + _varint(count)
    return head + b"".join(values)


def _binary(data: bytes) -> bytes:
    return _varint(len(data)) + data


def _zigzag(value: int) -> bytes:
    """A signed number as Thrift's compact protocol writes it; only values of 0 and more are needed here."""
    return _varint(value << 1)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
