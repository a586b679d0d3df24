"""Result of a folder selection: one row per candidate file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..data.skipped_files import Skipped

Stamp = tuple[int, int]
"""A file's size in bytes and modification time in nanoseconds."""


@dataclass(frozen=True)
class Row:
    """One candidate file.

    `group` counts from 0 in file order, groups without a readable picture included. `rank` 1 is the best of its
    group. `kept_as`: its path in the output folder, None before it is placed. `stamp`: of the file when it was
    scored, None where not known.
    """

    path: Path
    group: int
    rank: int
    score: float
    logit: float
    uncertainty: float
    kept: bool = False
    kept_as: Path | None = None
    stamp: Stamp | None = None

    @property
    def changed(self) -> str:
        """Whether the file is gone or changed since it was scored, in words; "" if not, or if no stamp is known."""
        now = file_stamp(self.path)
        if now is None:
            return "it is no longer there"
        return "" if self.stamp in (None, now) else "it was changed after it was scored"


@dataclass(frozen=True)
class FolderSelection:
    """All candidates in file order, and the files that could not be read, or not be placed.

    `close`: for each of `groups` the indices into `rows` that are close calls (see `close_call`), best first;
    empty where none was chosen. `folder`: where the kept files were placed.
    """

    rows: list[Row]
    skipped: list[Skipped]
    close: tuple[tuple[int, ...], ...] = ()
    folder: Path | None = None

    @property
    def kept(self) -> list[Row]:
        """Group after group, each group's best first."""
        return [row for group in self.groups for row in sorted(group, key=_rank) if row.kept]

    @property
    def groups(self) -> list[list[Row]]:
        """The candidates of each group that has any, in file order."""
        members: dict[int, list[Row]] = {}
        for row in self.rows:
            members.setdefault(row.group, []).append(row)
        return list(members.values())


def file_stamp(path: Path) -> Stamp | None:
    try:
        about = path.stat()
    except (OSError, ValueError):
        return None
    return about.st_size, about.st_mtime_ns


def _rank(row: Row) -> int:
    return row.rank
