"""Moving files away with a write-ahead list, and moving them back.

The list names every move before the first is made, so that an interrupted run, or one that the power cut short, can be
undone like a complete one: each file is at one of its two places, or at both with the same content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..data.selection_table import MOVED, MOVED_COLUMNS, has_header
from ..data.skipped_files import Skipped, describe_skipped
from ..utils.errors import DataError, OutputError, SourceError
from ..utils.file_placement import place
from ..utils.files import shown
from ..utils.partial_files import remove_abandoned
from ..utils.progress import Progress, ProgressCallback, no_progress
from .folder_results import Row
from .moves import put_back, read_moves, target_names, write_moves
from .unfinished import LIST, claimed


@dataclass(frozen=True)
class Moved:
    """`folder`: where the files are now. `targets`: old path → new path. `skipped`: files that stayed, and why."""

    folder: Path
    targets: dict[Path, Path]
    skipped: list[Skipped]

    @property
    def table(self) -> Path:
        """The list that `move_back` takes."""
        return self.folder / MOVED


@dataclass(frozen=True)
class MovedBack:
    """Old paths of files: `back` were moved back now, `there` already; `skipped` could not be, and why."""

    back: list[Path] = field(default_factory=list)
    there: list[Path] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def move_away(rows: Sequence[Row], output: Path, progress: ProgressCallback = no_progress) -> Moved:
    """Move the files of `rows` into the empty folder `output`; if another run filled it meanwhile, `output (2)` ….

    Writes the list of all moves first. A file that is gone or changed since it was scored stays. Raises OutputError where
    the list cannot be written, a move fails for all files alike (a full disk), or no file could be moved; what was moved
    until then stays moved, and is listed.
    """
    targets = target_names(rows, output, {MOVED})
    with claimed(output, targets, lambda folder: write_moves(folder / MOVED, targets)) as folder:
        return _move(targets, folder, progress)


def _move(targets: Mapping[Row, str], folder: Path, progress: ProgressCallback) -> Moved:
    skipped: list[Skipped] = []
    moved: dict[Path, Path] = {}
    for done, (row, name) in enumerate(targets.items(), start=1):
        target = folder / name
        try:
            if changed := row.changed:
                raise SourceError(f"Cannot move {shown(row.path)}: {changed}. Score it again.", changed)
            place(row.path, target, "move")
        except SourceError as error:
            skipped.append(Skipped(row.path, error.reason))
        except OutputError as error:
            raise OutputError(f"{error} {_so_far(moved, folder)}") from error
        if target.exists():  # also one whose original could not be removed
            moved[row.path] = target
        progress(Progress("moving the rest", done, len(targets)))
    if skipped and not moved:
        (folder / MOVED).unlink(missing_ok=True)
        raise OutputError(f"None of the pictures could be moved. {describe_skipped(skipped)}")
    return Moved(folder, moved, skipped)


def move_back(table: Path, progress: ProgressCallback = no_progress) -> MovedBack:
    """Undo what the list `table` says: every file moves back to where it was, and nothing is overwritten.

    The list may have been moved together with its files. Once all files are back it is removed, and its folder if
    that is empty. Raises DataError for a file that is no such list.
    """
    if not has_header(table, MOVED_COLUMNS):
        there = "is no list of moved files" if table.exists() else "does not exist"
        raise DataError(f"{shown(table)} {there}. Give the {MOVED} that `ganrm cull --move-rest` wrote.")
    moves = read_moves(table)
    result = MovedBack()
    for done, (old, now) in enumerate(moves, start=1):
        try:
            (result.back if put_back(old, now) else result.there).append(old)
        except SourceError as error:
            result.skipped.append(Skipped(now, error.reason))
        progress(Progress("moving back", done, len(moves)))
    if not result.skipped:
        table.unlink(missing_ok=True)
        # Of the run that was killed.
        (table.parent / LIST).unlink(missing_ok=True)
        remove_abandoned(table.parent)
        with suppress(OSError):  # something else is in it
            table.parent.rmdir()
    return result


def _so_far(moved: dict[Path, Path], folder: Path) -> str:
    if not moved:
        return "No picture was moved."
    return f"{len(moved)} pictures are in {shown(folder)} already, and {MOVED} says which: ganrm cull --undo moves them back."
