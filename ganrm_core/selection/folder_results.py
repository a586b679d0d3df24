"""Result of a folder selection: one row per candidate file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..data.skipped_files import Skipped

Stamp = tuple[int, int]
"""Size and modification time (ns) of a file."""


@dataclass(frozen=True)
class Row:
    """One candidate.

    `group` counts from 0 in file order, groups without a readable picture included. `rank` 1 is the
    best of its group. `kept_as` is its place in the output folder, None before it is placed there. `stamp`
    tells whether the file is still the one that was scored; None where that is not known.
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
        """What became of the file since it was scored, in a few words; "" where it is the same as far as is known."""
        now = file_stamp(self.path)
        if now is None:
            return "it is no longer there"
        return "" if self.stamp in (None, now) else "it was changed after it was scored"


@dataclass(frozen=True)
class FolderSelection:
    """All candidates in file order, and the files that could not be read, or not be placed.

    `close`: for each of `groups` the places in `rows` among which the choice was too close to call (see
    `certainty`), best first; empty where it was clear or nothing was chosen. `folder`: where the kept ones were
    placed.
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
