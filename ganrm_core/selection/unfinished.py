"""Write-ahead list of a folder that is being filled, by which the next run takes back what a killed one had done.

While files are copied, linked or moved into a folder, a hidden list in it says which belong where; it goes with the end
of the run, however that comes, unless the process is killed or the power fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..data.selection_table import MOVED, MOVED_COLUMNS, SHEET, TABLE, has_header
from ..utils.errors import NameTakenError, OutputError, SourceError
from ..utils.file_lock import lock
from ..utils.files import name_taken_error, shown
from ..utils.partial_files import remove_abandoned
from .folder_results import Row
from .moves import put_back, read_moves, write_moves
from .output_folder import free_folder

LIST = ".unfinished.csv"


@contextmanager
def claimed(
    wanted: Path, targets: Mapping[Row, str], write_table: Callable[[Path], object]
) -> Iterator[Path]:
    """Context manager: the first of `wanted`, `wanted (2)` … that no other run fills, with the list of `targets` in it.

    `write_table` writes the run's own table into the folder it is given, and raises NameTakenError where there is one.
    The list is removed at the end of the block.
    """
    folder = wanted
    while True:
        with ExitStack() as stack:
            try:
                stack.enter_context(_listed(folder, targets))
                write_table(folder)
            except NameTakenError:
                folder = free_folder(wanted)
                folder.mkdir(exist_ok=True)
                continue
            yield folder
            return


@contextmanager
def _listed(folder: Path, targets: Mapping[Row, str]) -> Iterator[None]:
    # Locked, so that another run can tell work in progress from what was left behind.
    with lock(folder) as locked:
        if locked is False:
            raise name_taken_error(folder / LIST)
        write_moves(folder / LIST, targets)
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / LIST).unlink(missing_ok=True)


def take_back(folder: Path) -> int:
    """Take back what a run that was killed had placed in `folder`, which is empty then; returns how many files that were.

    Moved files move to where they were, copies and links go. 0 and nothing done for any other folder, and for one that
    a run is filling. Raises OutputError where a file cannot be taken back; no picture is lost then either.
    """
    if not is_unfinished(folder):
        return 0
    with lock(folder) as locked:
        if not locked or not is_unfinished(folder):
            return 0
        moves = [(old, now) for old, now in read_moves(folder / LIST) if now.exists() or now.is_symlink()]
        for old, now in moves:
            try:
                put_back(old, now)
            except SourceError as error:
                raise OutputError(
                    f"{shown(folder)} holds what an interrupted run left there, and {shown(now)} cannot be taken back: "
                    f"{error.reason}. Look at the two files, or choose another folder."
                ) from error
        for name in (TABLE, SHEET, MOVED, LIST):  # the list last: until then this can be done again
            (folder / name).unlink(missing_ok=True)
        remove_abandoned(folder)
    return len(moves)


def is_unfinished(folder: Path) -> bool:
    """Whether a run fills `folder` now, or was killed as it did."""
    return has_header(folder / LIST, MOVED_COLUMNS)
