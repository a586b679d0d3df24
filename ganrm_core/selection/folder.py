"""Best of N over a folder of files."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..data.image_folder import find_images
from ..data.selection_table import COLUMNS, SHEET, TABLE
from ..data.skipped_files import Skipped, describe_skipped
from ..rewards.base import Reward
from ..utils.errors import DataError, NameTakenError, OutputError, SourceError
from ..utils.file_names import unique_name
from ..utils.file_placement import PlaceMode, place
from ..utils.files import atomic_file, check_new_file, shown
from ..utils.logs import logger_of
from ..utils.progress import Progress, ProgressCallback, no_progress
from ..utils.short_names import short_names
from .close_calls import close_calls
from .folder_results import FolderSelection, Row, file_stamp
from .output_folder import free_folder
from .ranking import Ties, select_best
from .selection_sheet import write_sheet

_log = logger_of(__name__)


@dataclass(frozen=True)
class Rules:
    """What is kept of each group; see `select_best`. `group_by` is a regular expression on file names."""

    keep: int = 1
    group_size: int | None = None
    group_by: str | None = None
    min_score: float | None = None
    min_keep: int = 0
    ties: Ties = "by score"


def check_rules(rules: Rules) -> None:
    """Raise DataError for rules that contradict themselves, before any picture is scored."""
    select_best(
        [],
        keep=rules.keep,
        scores=[],
        min_score=rules.min_score,
        min_keep=rules.min_keep,
        group_size=rules.group_size,
    )
    if rules.group_by is not None:
        try:
            re.compile(rules.group_by)
        except re.error as error:
            raise DataError(
                f"--group-by {rules.group_by!r} is not a regular expression ({error})."
            ) from error
        if rules.group_size is not None:
            raise DataError("Give either a group size or a group pattern, not both.")


def find_candidates(
    folder: Path, output: Path, *, recursive: bool = False, say: Callable[[str], None] | None = None
) -> list[Path]:
    """The pictures of `folder` as `find_images` finds them, without what lies in `output` below it."""
    inside = output.resolve()
    found = find_images(folder, recursive=recursive, say=say)
    homes = {parent: parent.resolve() for parent in {path.parent for path in found}}
    return [path for path in found if inside not in (homes[path.parent], *homes[path.parent].parents)]


def prepare_folder(output: Path) -> None:
    """Make the output folder. Raises OutputError where it holds anything already or cannot be written to."""
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


def select_from_files(
    model: Reward,
    files: Sequence[Path],
    output: Path,
    rules: Rules,
    *,
    mode: PlaceMode = "copy",
    progress: ProgressCallback = no_progress,
) -> FolderSelection:
    """`rank_files`, then `place_selection` with a contact sheet, into the empty folder `output`."""
    return place_selection(rank_files(model, files, rules, progress=progress), output, mode, progress)


def rank_files(
    model: Reward,
    files: Sequence[Path],
    rules: Rules | None,
    *,
    progress: ProgressCallback = no_progress,
) -> FolderSelection:
    """Score `files` and rank them in their groups; nothing is written.

    Without `rules` they are one group, and none is kept. Raises DataError where no file can be scored.
    """
    names = _group_names(files, rules or Rules())
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    group_of = {path: numbers[name] for path, name in zip(files, names, strict=True)}
    skipped: list[Skipped] = []
    scored = []
    # Before a file is read: what changes while it is being scored counts as changed.
    stamps = {path: file_stamp(path) for path in files}
    progress(Progress("scoring", 0, len(files)))
    for path, result in model.score_files(files, skipped):
        scored.append((path, float(result.score), float(result.logit), float(result.uncertainty)))
        progress(Progress("scoring", len(scored) + len(skipped), len(files)))
    progress(Progress("scoring", len(files), len(files)))  # also where the last ones were skipped
    if not scored:
        raise DataError(
            f"No picture could be read, so nothing was selected. {describe_skipped(skipped, among=files)}"
        )
    groups = [group_of[entry[0]] for entry in scored]
    chosen = rules or Rules()
    logits, scores = [entry[2] for entry in scored], [entry[1] for entry in scored]
    selection = select_best(
        logits,
        keep=chosen.keep,
        scores=scores,
        min_score=chosen.min_score,
        min_keep=chosen.min_keep,
        groups=groups,
        ties=chosen.ties,
        uncertainties=[entry[3] for entry in scored],
    )
    close = (
        close_calls(selection.groups, logits, scores, rules.keep, rules.min_score)
        if rules is not None
        else ()
    )
    kept = set(selection.kept) if rules else set()
    rows = [
        Row(path, groups[i], selection.ranks[i], score, logit, uncertainty, i in kept, stamp=stamps[path])
        for i, (path, score, logit, uncertainty) in enumerate(scored)
    ]
    return FolderSelection(rows, skipped, close)


def place_selection(
    selection: FolderSelection,
    output: Path,
    mode: PlaceMode = "copy",
    progress: ProgressCallback = no_progress,
    *,
    sheet: bool = True,
) -> FolderSelection:
    """Place what was kept into the empty folder `output`; where another run filled it meanwhile, into `output (2)` ….

    Also writes `scores.csv`, one row per candidate and per file skipped, and with `sheet` `contact_sheet.jpg`.
    A file that is gone, or no longer the one that was scored, is not placed: in the result it is not kept but
    among the skipped, and the others are placed. Raises OutputError where nothing could be placed, or where
    something cannot be written; then, as with any other exception, `output` is left empty, save for files that
    were moved there and the table that lists them.
    """
    # Before a file is touched: scoring took long, and here it shows whether the folder can be written to.
    output = _claimed(output, selection)
    selection = replace(selection, folder=output)
    sources = [row.path for row in selection.kept]
    targets = dict(zip(sources, _targets(sources, output), strict=True))
    placed: dict[Path, Path] = {}
    left: list[Skipped] = []
    try:
        _place_each(selection.kept, targets, mode, placed, left, progress)
        result = _as_placed(selection, placed, left)
        _write_table(output / TABLE, result, overwrite=True)
    except BaseException as error:
        stays = _undone(selection.kept, placed, mode)
        with suppress(OutputError, OSError):
            if stays:
                _write_table(output / TABLE, _as_placed(selection, stays, left), overwrite=True)
            else:
                (output / TABLE).unlink(missing_ok=True)
        if stays and isinstance(error, OutputError):
            raise OutputError(
                f"{error} {len(stays)} of {len(targets)} pictures are in {shown(output)} already, and {TABLE} says "
                "which. Choose another output folder for the others."
            ) from error
        raise
    _log.info("placed %d of %d pictures into %s (%s)", len(placed), len(targets), shown(output), mode)
    if sheet:
        try:
            write_sheet(output / SHEET, result, progress)
        except OutputError as error:
            raise OutputError(f"{error} The pictures and {TABLE} are there, complete.") from error
    return result


def _group_names(files: Sequence[Path], rules: Rules) -> list[Hashable]:
    """The group of each file, unreadable ones included: they must not shift the others' groups."""
    if rules.group_size is not None:
        return [index // rules.group_size for index in range(len(files))]
    if rules.group_by is None:
        return [0] * len(files)
    names: list[Hashable] = []
    for path in files:
        match = re.search(rules.group_by, path.name)
        if match is None or (match.re.groups and match.group(1) is None):
            raise DataError(
                f"The name {shown(*short_names([path], files))} does not match --group-by {rules.group_by!r}, so its group is "
                "unknown. Change the pattern or leave that file out."
            )
        names.append(match.group(1) if match.re.groups else match.group(0))
    return names


def _claimed(wanted: Path, selection: FolderSelection) -> Path:
    """The first of `wanted`, `wanted (2)` … into which no other run has written its table. This one's is then there."""
    output = wanted
    while True:
        try:
            _write_table(output / TABLE, selection)
        except NameTakenError:
            output = free_folder(wanted)
            output.mkdir(exist_ok=True)
        else:
            return output


def _targets(sources: Sequence[Path], output: Path) -> list[Path]:
    """A free name in `output` for each source, shortened where the disk needs it; equal ones are numbered."""
    taken = {TABLE, SHEET}
    targets = []
    for source in sources:
        name = unique_name(output, source.name, lambda candidate: candidate.casefold() in taken)
        taken.add(name.casefold())
        targets.append(output / name)
    return targets


def _place_each(
    rows: Sequence[Row],
    targets: Mapping[Path, Path],
    mode: PlaceMode,
    placed: dict[Path, Path],
    left: list[Skipped],
    progress: ProgressCallback,
) -> None:
    """Fill `placed` (source → target), and `left` with what could not be placed, as it goes."""
    for done, row in enumerate(rows, start=1):
        source, target = row.path, targets[row.path]
        try:
            if changed := row.changed:
                raise SourceError(f"Cannot {mode} {shown(source)}: {changed}. Score it again.", changed)
            place(source, target, mode)
        except SourceError as error:
            left.append(Skipped(source, error.reason))
        if target.exists():  # moved files too, whose originals could not be removed
            placed[source] = target
        progress(Progress(f"{mode} the best", done, len(rows)))
    if left and not placed:
        raise OutputError(
            f"None of the best pictures could be placed. {describe_skipped(left)} Score the folder again."
        )


def _undone(rows: Sequence[Row], placed: Mapping[Path, Path], mode: PlaceMode) -> dict[Path, Path]:
    """Remove what was copied or linked. Returns what must stay, since it may be all there is of a file."""
    stays = dict(placed)
    if mode != "move":
        for row in rows:
            if row.path in stays and not row.changed:
                stays.pop(row.path).unlink(missing_ok=True)
    return stays


def _as_placed(
    selection: FolderSelection, placed: Mapping[Path, Path], left: Sequence[Skipped]
) -> FolderSelection:
    rows = [
        replace(row, kept=row.kept and row.path in placed, kept_as=placed.get(row.path))
        for row in selection.rows
    ]
    return replace(selection, rows=rows, skipped=[*selection.skipped, *left])


def _write_table(path: Path, selection: FolderSelection, *, overwrite: bool = False) -> None:
    """One row per candidate, then one per file that is none, with the reason in the last column."""
    reasons = {entry.path: entry.reason for entry in selection.skipped}
    with (
        atomic_file(path, overwrite=overwrite) as temporary,
        # With the mark by which Excel knows the encoding.
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
