"""Best of N over a folder of files."""

from __future__ import annotations

import csv
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .contact_sheet import Tile, contact_sheet, grid
from .errors import DataError, OutputError
from .files import PlaceMode, atomic_file, check_new_file, place, shown
from .images import read_image, to_pil
from .imagesets import Skipped, describe_skipped, find_images
from .progress import Progress, ProgressCallback, no_progress
from .reward import Reward
from .selection import Selection, select_best

_TABLE, _SHEET = "scores.csv", "contact_sheet.jpg"
_SHEET_ROWS, _SHEET_COLUMNS = 50, 8


@dataclass(frozen=True)
class Rules:
    """What is kept of each group; see `select_best`. `group_by` is a regular expression on file names."""

    keep: int = 1
    group_size: int | None = None
    group_by: str | None = None
    min_score: float | None = None
    min_keep: int = 0


@dataclass(frozen=True)
class Row:
    """One candidate. `kept_as` is its place in the output folder, None where it was rejected.

    `group` counts from 0 in file order, groups without a readable picture included.
    """

    path: Path
    group: int
    rank: int
    score: float
    logit: float
    uncertainty: float
    kept_as: Path | None = None


@dataclass(frozen=True)
class FolderSelection:
    rows: list[Row]
    kept: list[Row]
    n_groups: int
    skipped: list[Skipped]


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


def find_candidates(folder: Path, output: Path, *, recursive: bool = False) -> list[Path]:
    """The pictures of `folder` without what an earlier run placed into `output` below it."""
    inside = output.resolve()
    found = find_images(folder, recursive=recursive)
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
    check_new_file(output / _TABLE, what="the selection")


def select_from_files(
    model: Reward,
    files: Sequence[Path],
    output: Path,
    rules: Rules,
    *,
    mode: PlaceMode = "copy",
    progress: ProgressCallback = no_progress,
) -> FolderSelection:
    """Score `files`, and place the best of each group into the empty folder `output`.

    Also writes `scores.csv`, one row per candidate, and `contact_sheet.jpg`. The table and the sheet
    come first: whatever happens to the files afterwards is on record. Raises DataError where no file
    can be scored, OutputError where something cannot be written.
    """
    names = _group_names(files, rules)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    group_of = {path: numbers[name] for path, name in zip(files, names, strict=True)}
    skipped: list[Skipped] = []
    scored = []
    for path, result in model.score_files(files, skipped):
        scored.append((path, float(result.score), float(result.logit), float(result.uncertainty)))
        progress(Progress("scoring", len(scored) + len(skipped), len(files)))
    if not scored:
        raise DataError(f"No picture could be read, so nothing was selected. {describe_skipped(skipped)}")
    paths = [entry[0] for entry in scored]
    selection = select_best(
        [entry[2] for entry in scored],
        keep=rules.keep,
        scores=[entry[1] for entry in scored],
        min_score=rules.min_score,
        min_keep=rules.min_keep,
        groups=[group_of[path] for path in paths],
    )
    rows = [
        Row(path, group_of[path], selection.ranks[i], score, logit, uncertainty)
        for i, (path, score, logit, uncertainty) in enumerate(scored)
    ]
    for position, target in zip(
        selection.kept, _targets([paths[i] for i in selection.kept], output), strict=True
    ):
        rows[position] = replace(rows[position], kept_as=target)
    _write_table(output / _TABLE, rows)
    _write_sheet(output / _SHEET, rows, selection, progress)
    kept = [rows[position] for position in selection.kept]
    for done, row in enumerate(kept, start=1):
        assert row.kept_as is not None
        place(row.path, row.kept_as, mode)
        progress(Progress(f"{mode} the best", done, len(kept)))
    return FolderSelection(rows, kept, len(selection.groups), skipped)


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
                f"The name {shown(path.name)} does not match --group-by {rules.group_by!r}, so its group is "
                "unknown. Change the pattern or leave that file out."
            )
        names.append(match.group(1) if match.re.groups else match.group(0))
    return names


def _targets(sources: Sequence[Path], output: Path) -> list[Path]:
    """A free name in `output` for each source; equal names from different folders are numbered."""
    taken = {_TABLE, _SHEET}
    targets = []
    for source in sources:
        name, number = source.name, 2
        while name.casefold() in taken:
            name, number = f"{source.stem} ({number}){source.suffix}", number + 1
        taken.add(name.casefold())
        targets.append(output / name)
    return targets


def _write_table(path: Path, rows: Sequence[Row]) -> None:
    with (
        atomic_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        table = csv.writer(file)
        table.writerow(["file", "group", "rank", "kept", "score", "logit", "uncertainty", "kept_as"])
        for row in rows:
            kept_as = row.kept_as.name if row.kept_as else ""
            figures = [f"{value:.6f}" for value in (row.score, row.logit, row.uncertainty)]
            table.writerow(
                [row.path, row.group + 1, row.rank, int(row.kept_as is not None), *figures, kept_as]
            )


def _write_sheet(path: Path, rows: Sequence[Row], selection: Selection, progress: ProgressCallback) -> None:
    """Groups as rows, best first; a single group as a grid. Very many are cut, and the title says so."""
    single = len(selection.groups) == 1
    groups = selection.groups[:_SHEET_ROWS]
    most = _SHEET_COLUMNS * (6 if single else 1)
    shown_groups = [sorted(group, key=lambda i: rows[i].rank)[:most] for group in groups]
    total = sum(len(group) for group in shown_groups)
    tiles: list[list[Tile]] = []
    done = 0
    for group in shown_groups:
        tiles.append([])
        for position in group:
            tiles[-1].append(_tile(rows[position]))
            done += 1
            progress(Progress("drawing the contact sheet", done, total))
    title = f"{len(selection.kept)} kept of {len(rows)}"
    if total < len(rows):
        cut = "all" if single else f"each of {len(groups)} out of {len(selection.groups)} groups"
        title += f", the best {most} of {cut} shown"
    if single:
        sheet = grid(tiles[0], _SHEET_COLUMNS, title=title)
    else:
        sheet = contact_sheet(
            tiles, title=title, row_labels=[f"group {rows[group[0]].group + 1}" for group in groups]
        )
    with atomic_file(path) as temporary:
        sheet.convert("RGB").save(temporary, quality=92)


def _tile(row: Row) -> Tile:
    kept = row.kept_as is not None
    # A thumbnail at once: a sheet of full-size pictures would not fit in memory.
    picture = to_pil(read_image(row.path))
    picture.thumbnail((440, 440))
    return Tile(picture, (f"{row.score:.3f}", row.path.name), highlight=kept, badge=f"#{row.rank}")
