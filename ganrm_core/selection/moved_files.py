"""Moving files away with a write-ahead list, and moving them back.

The list names every move before the first is made, so that an interrupted run, or one that the power cut short, can be
undone like a complete one: each file is at one of its two places, or at both with the same content.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..data.selection_table import MOVED, MOVED_COLUMNS, has_header
from ..data.skipped_files import Skipped, describe_skipped
from ..utils.errors import DataError, NameTakenError, OutputError, SourceError
from ..utils.file_hash import file_sha256
from ..utils.file_names import unique_name
from ..utils.file_placement import place
from ..utils.files import atomic_file, shown
from ..utils.progress import Progress, ProgressCallback, no_progress
from .folder_results import Row
from .output_folder import free_folder


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
    targets = _targets(rows, output)
    folder = _claim(output, rows, targets)
    moves = {row: folder / targets[row.path] for row in rows}
    skipped: list[Skipped] = []
    moved: dict[Path, Path] = {}
    for done, (row, target) in enumerate(moves.items(), start=1):
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
        progress(Progress("moving the rest", done, len(moves)))
    if skipped and not moved:
        (folder / MOVED).unlink(missing_ok=True)
        raise OutputError(f"None of the pictures could be moved. {describe_skipped(skipped)}")
    return Moved(folder, moved, skipped)


def move_back(table: Path, progress: ProgressCallback = no_progress) -> MovedBack:
    """Undo what the list `table` says: every file moves back to where it was, and nothing is overwritten.

    The list may have been moved together with its files. Once all files are back it is removed, and its folder if
    that is empty. Raises DataError for a file that is no such list.
    """
    moves = _read(table)
    result = MovedBack()
    for done, (old, now) in enumerate(moves, start=1):
        try:
            (result.back if _moved_back(old, now) else result.there).append(old)
        except SourceError as error:
            result.skipped.append(Skipped(now, error.reason))
        progress(Progress("moving back", done, len(moves)))
    if not result.skipped:
        table.unlink(missing_ok=True)
        with suppress(OSError):  # something else is in it
            table.parent.rmdir()
    return result


def _moved_back(old: Path, now: Path) -> bool:
    """Move one file; False where it is at its old place already. Raises SourceError where it cannot be moved."""
    try:
        if not now.is_file():
            if old.is_file():
                return False
            raise SourceError(f"{shown(now)} is gone.", "it is neither here nor where it was")
        if old.exists() or old.is_symlink():
            # Both: the run ended between the two steps of a move. Anything else is another picture.
            if not _is_copy(old, now):
                raise SourceError(f"{shown(old)} is taken.", f"another file is at its old place {shown(old)}")
            now.unlink()
            return True
        old.parent.mkdir(parents=True, exist_ok=True)
        place(now, old, "move")
    except SourceError:
        raise
    except OutputError as error:
        raise SourceError(str(error), str(error)) from error
    except OSError as error:
        raise SourceError(str(error), error.strerror or str(error)) from error
    return True


def _is_copy(old: Path, now: Path) -> bool:
    """Whether `old` holds the content of `now`, and keeps it when `now` is removed."""
    if not old.is_file():
        return False
    if old.samefile(now):
        return not old.is_symlink()
    return old.stat().st_size == now.stat().st_size and file_sha256(old) == file_sha256(now)


def _targets(rows: Sequence[Row], output: Path) -> dict[Path, str]:
    """A free name for each file in `output`; equal names are numbered."""
    taken = {MOVED}
    targets = {}
    for row in rows:
        name = unique_name(output, row.path.name, lambda candidate: candidate.casefold() in taken)
        taken.add(name.casefold())
        targets[row.path] = name
    return targets


def _claim(wanted: Path, rows: Sequence[Row], targets: dict[Path, str]) -> Path:
    """Write the list into the first of `wanted`, `wanted (2)` … that has none yet, and return that folder."""
    output = wanted
    while True:
        try:
            with (
                atomic_file(output / MOVED) as temporary,
                # As scores.csv: Excel tells UTF-8 by its mark, and every file name comes out as it was.
                temporary.open("w", newline="", encoding="utf-8-sig", errors="surrogateescape") as file,
            ):
                table = csv.writer(file)
                table.writerow(MOVED_COLUMNS)
                # Absolute: undone from anywhere.
                table.writerows(
                    [row.path.absolute(), targets[row.path], row.group + 1, f"{row.score:.6f}"]
                    for row in rows
                )
        except NameTakenError:
            output = free_folder(wanted)
            output.mkdir(exist_ok=True)
        else:
            return output


def _read(table: Path) -> list[tuple[Path, Path]]:
    """Old and present path of each file on the list."""
    if not has_header(table, MOVED_COLUMNS):
        there = "is no list of moved files" if table.exists() else "does not exist"
        raise DataError(f"{shown(table)} {there}. Give the {MOVED} that `ganrm cull --move-rest` wrote.")
    return list(_entries(table))


def _entries(table: Path) -> Iterator[tuple[Path, Path]]:
    with table.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        header = file.readline()
        delimiter = next(mark for mark in ",;\t" if mark in header)  # Excel saves with either
        for number, row in enumerate(csv.DictReader(file, MOVED_COLUMNS, delimiter=delimiter), start=2):
            old, name = row["moved_from"] or "", row["moved_to"] or ""
            # Only files beside the list: a list from elsewhere must not move anything else.
            if not Path(old).is_absolute() or name in ("", ".", "..") or Path(name).name != name:
                raise DataError(
                    f"Row {number} of {shown(table)} names no file beside it, or no full path: it was changed. Nothing was "
                    "moved; move the files by hand."
                )
            yield Path(old), table.parent / name


def _so_far(moved: dict[Path, Path], folder: Path) -> str:
    if not moved:
        return "No picture was moved."
    return f"{len(moved)} pictures are in {shown(folder)} already, and {MOVED} says which: ganrm cull --undo moves them back."
