"""Place the best files of a folder: copies, moves or links, with a score table and a contact sheet."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..data.selection_table import COLUMNS, SHEET, TABLE
from ..data.skipped_files import Skipped, describe_skipped
from ..utils.errors import OutputError, SourceError
from ..utils.file_placement import PlaceMode, place
from ..utils.files import atomic_file, check_new_file, shown
from ..utils.logs import logger_of
from ..utils.partial_files import is_partial
from ..utils.progress import Progress, ProgressCallback, no_progress
from .folder_results import FolderSelection, Row
from .moves import target_names
from .selection_sheet import write_sheet
from .unfinished import LIST, claimed, is_unfinished, take_back

_log = logger_of(__name__)

_ADVICE = " A run is filling it, or was interrupted: if none is running, `ganrm cull --undo {}` takes back what it had done."


def prepare_folder(output: Path) -> int:
    """Make the output folder. What a run that was killed had placed there is taken back first; returns how many files.

    Raises OutputError where the folder is not empty or cannot be written to.
    """
    try:
        taken_back = take_back(output) if output.is_dir() else 0
        if output.exists() and (not output.is_dir() or not all(map(is_partial, output.iterdir()))):
            raise OutputError(
                f"{shown(output)} already exists and is not an empty folder. Choose another --output."
                + (_ADVICE.format(shown(output / LIST)) if is_unfinished(output) else "")
            )
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {shown(output)} cannot be made ({error.strerror}). Choose another."
        ) from error
    check_new_file(output / TABLE, what="the selection")
    return taken_back


def place_selection(
    selection: FolderSelection,
    output: Path,
    mode: PlaceMode = "copy",
    progress: ProgressCallback = no_progress,
    *,
    sheet: bool = True,
    then: Callable[[FolderSelection], object] | None = None,
) -> FolderSelection:
    """Place the kept files into the empty folder `output`; if another run filled it meanwhile, into `output (2)` ….

    Also writes `scores.csv`, one row per candidate and per file skipped, and with `sheet` `contact_sheet.jpg`.
    `then` is called with the result for what else belongs to the run: killed before its end, all of it is taken back by
    the next `prepare_folder`.
    A file that is gone or changed since it was scored is not placed: in the result it is not kept but among the
    skipped. Raises OutputError where nothing could be placed or something cannot be written; then, as after any
    other exception, `output` is left empty except for moved files and the table that lists them.
    """
    targets = target_names(selection.kept, output, (TABLE, SHEET))
    # The table is written before a file is touched: a folder that cannot be written to must not cost the scores.
    with claimed(output, targets, lambda folder: _write_table(folder / TABLE, selection)) as folder:
        result = _placed(replace(selection, folder=folder), _Placement(targets, folder, mode), progress)
        _log.info(
            "placed %d of %d pictures into %s (%s)", len(result.kept), len(targets), shown(folder), mode
        )
        if sheet:
            try:
                write_sheet(folder / SHEET, result, progress)
            except OutputError as error:
                raise OutputError(f"{error} The pictures and {TABLE} are there, complete.") from error
        if then:
            then(result)
    return result


def _placed(selection: FolderSelection, placement: _Placement, progress: ProgressCallback) -> FolderSelection:
    """Place the files and write the table of what became of them."""
    table = placement.output / TABLE
    try:
        placement.run(progress)
        result = placement.applied_to(selection)
        _write_table(table, result, overwrite=True)
    except BaseException as error:
        placement.undo()
        with suppress(OutputError, OSError):
            if placement.placed:
                _write_table(table, placement.applied_to(selection), overwrite=True)
            else:
                table.unlink(missing_ok=True)
        if placement.placed and isinstance(error, OutputError):
            raise OutputError(
                f"{error} {len(placement.placed)} of {len(selection.kept)} pictures are in {shown(placement.output)} "
                f"already, and {TABLE} says which. Choose another output folder for the others."
            ) from error
        raise
    return result


class _Placement:
    """The files placed so far (source → target) and those that could not be."""

    def __init__(self, targets: Mapping[Row, str], output: Path, mode: PlaceMode) -> None:
        self._targets, self.output, self._mode = targets, output, mode
        self.placed: dict[Path, Path] = {}
        self.skipped: list[Skipped] = []

    def run(self, progress: ProgressCallback) -> None:
        """Place one file after another. Raises OutputError where none could be."""
        for done, (row, name) in enumerate(self._targets.items(), start=1):
            source, target = row.path, self.output / name
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
            progress(Progress(f"{self._mode} the best", done, len(self._targets)))
        if self.skipped and not self.placed:
            raise OutputError(
                f"None of the best pictures could be placed. {describe_skipped(self.skipped)} "
                "Score the folder again."
            )

    def undo(self) -> None:
        """Remove copies and links, except where the original is gone or changed; moved files stay."""
        if self._mode == "move":
            return
        for row in self._targets:
            if row.path in self.placed and not row.changed:
                self.placed.pop(row.path).unlink(missing_ok=True)

    def applied_to(self, selection: FolderSelection) -> FolderSelection:
        """The selection with kept files as they were placed, and the others as skipped."""
        rows = [
            replace(row, kept=row.kept and row.path in self.placed, kept_as=self.placed.get(row.path))
            for row in selection.rows
        ]
        return replace(selection, rows=rows, skipped=[*selection.skipped, *self.skipped])


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
