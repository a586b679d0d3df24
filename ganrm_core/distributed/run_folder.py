"""Output folder of a distributed run: what is scored, its listing in shards, and one Parquet file of scores per shard.

    run/run.json                              the settings, which a run that goes on must share
    run/listing/0000-00000012.parquet         names of the pictures of shard 12 of source 0; `shard_sizes`
    run/listing.json                          pictures per source, written when the listing is complete
    run/attempts/0000-00000012.json           how often that shard was begun without an end, while it has none
    scores/part-0000-00000012.parquet         path, score, logit, uncertainty, group, error; written when all are scored
    best/*.parquet                            the kept rows of a best-of-N run

Every file appears whole or not at all. A shard whose file is there is never done again.
"""

from __future__ import annotations

import io
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice, repeat
from typing import Any

from ..utils.errors import DataError, OutputError
from ..utils.files import shown
from .listing import Source, listed
from .storage import Folder, pyarrow_module

FORMAT_VERSION = 2
_RUN, _LISTING, _COUNTS, _SCORES = "run/run.json", "run/listing", "run/listing.json", "scores"
_ATTEMPTS = "run/attempts"
_PART = re.compile(r"part-(\d{4,})-(\d{8,})\.parquet")
_FIRST_SIZE, _SHARDS_PER_SIZE = 64, 16

SCHEMA = {
    "path": "string",
    "score": "double",
    "logit": "double",
    "uncertainty": "double",
    "group": "string",
    "error": "string",
}
"""Columns of the scores. `error` is null for a scored picture; the figures are null for one that is not."""


@dataclass(frozen=True, order=True)
class Shard:
    """Shard `number` of the pictures of source `source`, both counted from 0."""

    source: int
    number: int

    @property
    def name(self) -> str:
        return f"{self.source:04}-{self.number:08}"


@dataclass(frozen=True)
class RunSettings:
    """What decides the rows of a run, and the size of the largest shards.

    `model`: sha256 of the model's files. `group_by`: as in `FolderSettings`.
    """

    model: str
    sources: tuple[Source, ...]
    shard_size: int
    group_by: str | None = None
    prompt: str | None = None

    def without_names(self) -> RunSettings:
        """As workers need it, who find names of files in the listing."""
        return replace(self, sources=tuple(Source(each.place) for each in self.sources))

    def to_json(self) -> dict[str, Any]:
        return {"ganrm_run": FORMAT_VERSION, **asdict(self), "sources": [s.to_json() for s in self.sources]}


class RunFolder:
    """A run's output folder at a path or URL."""

    def __init__(self, place: str) -> None:
        self.folder = Folder(place)

    def begin(self, settings: RunSettings) -> bool:
        """Start a run, or go on with the same one. Returns whether it goes on.

        Raises OutputError where the folder holds something else, or a run with other settings.
        """
        wanted = settings.to_json()
        if not self.folder.exists(_RUN):
            if self.folder.names():
                raise OutputError(
                    f"{shown(self.folder.place)} is not empty and holds no run of ganrm. Nothing is ever overwritten: "
                    "choose a new folder for --output."
                )
            self.folder.write(_RUN, json.dumps(wanted, indent=1).encode())
            return False
        known = json.loads(self.folder.read(_RUN))
        if known.get("ganrm_run") != FORMAT_VERSION:
            raise OutputError(
                f"{shown(self.folder.place)} holds a run that another version of this package began. Go on with that version, "
                "or choose another --output."
            )
        differing = [name for name, value in wanted.items() if known.get(name) != value]
        if differing and self.counts() is None:  # nothing is scored yet: a folder was mistyped, say
            self.folder.remove_folder(_LISTING)
            self.folder.write(_RUN, json.dumps(wanted, indent=1).encode())
            return False
        if differing:
            raise OutputError(
                f"{shown(self.folder.place)} holds a run that differs in: {', '.join(differing)}. To go on with it give the "
                "same model, paths and options; for another run choose another --output."
            )
        return True

    def write_listing(self, source: int, names: Iterable[str], sizes: Iterable[int]) -> int:
        """Write the shards of a source, of so many names each; returns the number of names."""
        count, remaining = 0, iter(names)
        for number, size in enumerate(sizes):
            if not (part := list(islice(remaining, size))):
                break
            rows = {"name": [os.fsencode(name) for name in part]}  # names on Linux need not be text
            self.folder.write(
                f"{_LISTING}/{Shard(source, number).name}.parquet", _parquet(rows, {"name": "binary"})
            )
            count += len(part)
        return count

    def complete_listing(self, counts: Sequence[int]) -> None:
        """Record the number of pictures of each source: the listing is whole."""
        self.folder.write(_COUNTS, json.dumps(list(counts)).encode())

    def counts(self) -> list[int] | None:
        """Pictures per source; None until the listing is whole."""
        if not self.folder.exists(_COUNTS):
            return None
        return [int(count) for count in json.loads(self.folder.read(_COUNTS))]

    def names_of(self, shard: Shard) -> list[str]:
        """Names of a shard's pictures, relative to their source. Raises DataError for a listing that is not there."""
        try:
            table = _table(self.folder.read(f"{_LISTING}/{shard.name}.parquet"))
        except FileNotFoundError as error:
            raise DataError(
                f"The worker on {socket.gethostname()} does not see the listing in {shown(self.folder.place)}. Give --output "
                "where every node of the cluster finds it under the same path: on a shared disk or in a bucket."
            ) from error
        return [os.fsdecode(name) for name in table["name"].to_pylist()]

    def finished(self) -> set[Shard]:
        """Shards whose scores are written."""
        matches = map(_PART.fullmatch, self.folder.names(_SCORES))
        return {Shard(int(match[1]), int(match[2])) for match in matches if match}

    def is_finished(self, shard: Shard) -> bool:
        return self.folder.exists(f"{_SCORES}/part-{shard.name}.parquet")

    def write_scores(self, shard: Shard, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows of a shard, each with the keys of `SCHEMA`."""
        columns = {name: [row[name] for row in rows] for name in SCHEMA}
        self.folder.write(f"{_SCORES}/part-{shard.name}.parquet", _parquet(columns, SCHEMA))

    def read_scores(self, shard: Shard) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = _table(
            self.folder.read(f"{_SCORES}/part-{shard.name}.parquet")
        ).to_pylist()
        return rows

    def attempts_file(self, shard: Shard) -> str:
        """The name of the file that counts attempts at a shard."""
        return f"{_ATTEMPTS}/{shard.name}.json"

    def forget_attempts(self) -> None:
        """Begin to count anew at every shard."""
        self.folder.remove_folder(_ATTEMPTS)

    def errors_in(self, shard: Shard) -> int:
        """How many pictures of a finished shard were not scored."""
        return sum(row["error"] is not None for row in self.read_scores(shard))


def list_source(place: str, number: int, source: Source, sources: int, largest: int) -> int:
    """List one of `sources` sources of the run at `place`; returns the number of its pictures.

    Kept where nothing imports torch: for a worker, most of a short listing would be that.
    """
    return RunFolder(place).write_listing(number, listed(source), shard_sizes(sources, largest))


def shard_sizes(sources: int, largest: int) -> Iterator[int]:
    """Sizes of the shards of each source, without end: small ones first, doubled again and again, up to `largest`.

    There are 16 shards of a size in a run, or one for each source. So a few thousand pictures are shards enough for many
    workers, and millions not too many. The number of pictures is not known while they are listed.
    """
    size = _FIRST_SIZE
    while True:
        yield from repeat(min(size, largest), max(1, _SHARDS_PER_SIZE // sources))
        size = min(2 * size, largest)


def shards_of(counts: Sequence[int], largest: int) -> Iterator[tuple[Shard, int]]:
    """All shards with the number of pictures in each, source after source."""
    for source, remaining in enumerate(counts):
        for number, size in enumerate(shard_sizes(len(counts), largest)):
            if remaining <= 0:
                break
            yield Shard(source, number), min(size, remaining)
            remaining -= size


def _parquet(columns: Mapping[str, Sequence[Any]], types: Mapping[str, str]) -> bytes:
    arrow, parquet = pyarrow_module(""), pyarrow_module("parquet")
    schema = arrow.schema([(name, arrow.type_for_alias(kind)) for name, kind in types.items()])
    buffer = io.BytesIO()
    parquet.write_table(arrow.table(dict(columns), schema=schema), buffer)
    return buffer.getvalue()


def _table(content: bytes) -> Any:
    return pyarrow_module("parquet").read_table(io.BytesIO(content))
