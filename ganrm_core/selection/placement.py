"""Place the best files of a folder: copies, moves or links, with a score table and a contact sheet."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..data.selection_table import COLUMNS, SHEET, TABLE
from ..data.skipped_files import Skipped, describe_skipped
from ..utils.errors import NameTakenError, OutputError, SourceError
from ..utils.file_names import unique_name
from ..utils.file_placement import PlaceMode, place
from ..utils.files import atomic_file, check_new_file, shown
from ..utils.logs import logger_of
from ..utils.progress import Progress, ProgressCallback, no_progress
from .folder_results import FolderSelection, Row
from .output_folder import free_folder
from .selection_sheet import write_sheet

_log = logger_of(__name__)


def prepare_folder(output: Path) -> None:
    """Make the output folder. Raises OutputError where it is not empty or cannot be written to."""
    try:
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise OutputError(
                f"{shown(output)} already exists and is not an empty folder. Choose another --output."
            )
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {shown(output)} cannot be made ({error.strerror}). Choose another."
        ) from error
    check_new_file(output / TABLE, what="the selection")


def place_selection(
    selection: FolderSelection,
    output: Path,
    mode: PlaceMode = "copy",
    progress: ProgressCallback = no_progress,
    *,
    sheet: bool = True,
) -> FolderSelection:
    """Place the kept files into the empty folder `output`; if another run filled it meanwhile, into `output (2)` ….

    Also writes `scores.csv`, one row per candidate and per file skipped, and with `sheet` `contact_sheet.jpg`.
    A file that is gone or changed since it was scored is not placed: in the result it is not kept but among the
    skipped. Raises OutputError where nothing could be placed or something cannot be written; then, as after any
    other exception, `output` is left empty except for moved files and the table that lists them.
    """
    # Written before a file is touched: a folder that cannot be written to must not cost the scores.
    output = _claim(output, selection)
    selection = replace(selection, folder=output)
    placement = _Placement(selection.kept, output, mode)
    try:
        placement.run(progress)
        result = placement.applied_to(selection)
        _write_table(output / TABLE, result, overwrite=True)
    except BaseException as error:
        placement.undo()
        with suppress(OutputError, OSError):
            if placement.placed:
                _write_table(output / TABLE, placement.applied_to(selection), overwrite=True)
            else:
                (output / TABLE).unlink(missing_ok=True)
        if placement.placed and isinstance(error, OutputError):
            raise OutputError(
                f"{error} {len(placement.placed)} of {len(selection.kept)} pictures are in {shown(output)} already, "
                f"and {TABLE} says which. Choose another output folder for the others."
            ) from error
        raise
    _log.info(
        "placed %d of %d pictures into %s (%s)", len(result.kept), len(selection.kept), shown(output), mode
    )
    if sheet:
        try:
            write_sheet(output / SHEET, result, progress)
        except OutputError as error:
            raise OutputError(f"{error} The pictures and {TABLE} are there, complete.") from error
    return result


class _Placement:
    """The files placed so far (source → target) and those that could not be."""

    def __init__(self, rows: Sequence[Row], output: Path, mode: PlaceMode) -> None:
        self._rows, self._output, self._mode = rows, output, mode
        self.placed: dict[Path, Path] = {}
        self.skipped: list[Skipped] = []

    def run(self, progress: ProgressCallback) -> None:
        """Place one file after another. Raises OutputError where none could be."""
        targets = self._targets()
        for done, row in enumerate(self._rows, start=1):
            source, target = row.path, targets[row.path]
            try:
                if changed := row.changed:
                    raise SourceError(
                        f"Cannot {self._mode} {shown(source)}: {changed}. Score it again.", changed
                    )
                place(source, target, self._mode)
            except SourceError as error:
                self.skipped.append(Skipped(source, error.reason))
            if target.exists():  # also one that was moved, but whose original could not be removed
                self.placed[source] = target
            progress(Progress(f"{self._mode} the best", done, len(self._rows)))
        if self.skipped and not self.placed:
            raise OutputError(
                f"None of the best pictures could be placed. {describe_skipped(self.skipped)} "
                "Score the folder again."
            )

    def undo(self) -> None:
        """Remove copies and links, except where the original is gone or changed; moved files stay."""
        if self._mode == "move":
            return
        for row in self._rows:
            if row.path in self.placed and not row.changed:
                self.placed.pop(row.path).unlink(missing_ok=True)

    def applied_to(self, selection: FolderSelection) -> FolderSelection:
        """The selection with kept files as they were placed, and the others as skipped."""
        rows = [
            replace(row, kept=row.kept and row.path in self.placed, kept_as=self.placed.get(row.path))
            for row in selection.rows
        ]
        return replace(selection, rows=rows, skipped=[*selection.skipped, *self.skipped])

    def _targets(self) -> dict[Path, Path]:
        """A free name in the output folder for each source, shortened where needed; equal names are numbered."""
        taken = {TABLE, SHEET}
        targets = {}
        for row in self._rows:
            name = unique_name(self._output, row.path.name, lambda candidate: candidate.casefold() in taken)
            taken.add(name.casefold())
            targets[row.path] = self._output / name
        return targets


def _claim(wanted: Path, selection: FolderSelection) -> Path:
    """Write the table into the first of `wanted`, `wanted (2)` … that has none yet, and return that folder."""
    output = wanted
    while True:
        try:
            _write_table(output / TABLE, selection)
        except NameTakenError:
            output = free_folder(wanted)
            output.mkdir(exist_ok=True)
        else:
            return output


def _write_table(path: Path, selection: FolderSelection, *, overwrite: bool = False) -> None:
    """One row per candidate, then one per other skipped file, with the reason in the last column."""
    reasons = {entry.path: entry.reason for entry in selection.skipped}
    with (
        atomic_file(path, overwrite=overwrite) as temporary,
        # With a byte order mark: Excel tells UTF-8 by it.
        temporary.open("w", newline="", encoding="utf-8-sig", errors="surrogateescape") as file,
    ):
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for row in selection.rows:
            kept_as = row.kept_as.name if row.kept_as else ""
            metrics = [f"{value:.6f}" for value in (row.score, row.logit, row.uncertainty)]
            reason = reasons.pop(row.path, "")
            table.writerow([row.path, row.group + 1, row.rank, int(row.kept), *metrics, kept_as, reason])
        for skipped, reason in reasons.items():
            table.writerow([skipped, "", "", 0, "", "", "", "", reason])
