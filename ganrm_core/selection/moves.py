"""Lists of moves, written before the first one is made, and taking a move back wherever it was interrupted."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from ..data.selection_table import MOVED_COLUMNS
from ..utils.errors import DataError, OutputError, SourceError
from ..utils.file_hash import file_sha256
from ..utils.file_names import unique_name
from ..utils.file_placement import place
from ..utils.files import atomic_file, shown
from .folder_results import Row


def target_names(rows: Sequence[Row], folder: Path, reserved: Collection[str]) -> dict[Row, str]:
    """A name in the empty `folder` for the file of each row, shortened where needed; equal and reserved ones are numbered."""
    taken = set(reserved)
    targets = {}
    for row in rows:
        name = unique_name(folder, row.path.name, lambda candidate: candidate.casefold() in taken)
        taken.add(name.casefold())
        targets[row] = name
    return targets


def write_moves(table: Path, targets: Mapping[Row, str]) -> None:
    """Write the list of moves, from the files of the rows to names beside `table`. Raises as `atomic_file`."""
    with (
        atomic_file(table) as temporary,
        # As scores.csv: Excel tells UTF-8 by its mark, and every file name comes out as it was.
        temporary.open("w", newline="", encoding="utf-8-sig", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(MOVED_COLUMNS)
        # Absolute: undone from anywhere.
        writer.writerows(
            [row.path.absolute(), name, row.group + 1, f"{row.score:.6f}"] for row, name in targets.items()
        )


def read_moves(table: Path) -> list[tuple[Path, Path]]:
    """Old and present path of each file on the list. Raises DataError for a row that names files elsewhere."""
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


def put_back(old: Path, now: Path) -> bool:
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
