"""Best of N over a folder of files."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .certainty import close_calls
from .contact_sheet import Tile, contact_sheet, grid
from .errors import DataError, OutputError
from .files import PlaceMode, atomic_file, check_new_file, place, shown
from .images import read_image, to_pil
from .imagesets import Skipped, describe_skipped, find_images
from .progress import Progress, ProgressCallback, no_progress
from .result_folders import COLUMNS, SHEET, TABLE
from .reward import Reward
from .selection import Ties, select_best

_SHEET_ROWS, _SHEET_COLUMNS = 50, 8


@dataclass(frozen=True)
class Rules:
    """What is kept of each group; see `select_best`. `group_by` is a regular expression on file names."""

    keep: int = 1
    group_size: int | None = None
    group_by: str | None = None
    min_score: float | None = None
    min_keep: int = 0
    ties: Ties = "by score"


@dataclass(frozen=True)
class Row:
    """One candidate.

    `group` counts from 0 in file order, groups without a readable picture included. `rank` 1 is the
    best of its group. `kept_as` is its place in the output folder, None before it is placed there.
    """

    path: Path
    group: int
    rank: int
    score: float
    logit: float
    uncertainty: float
    kept: bool = False
    kept_as: Path | None = None


@dataclass(frozen=True)
class FolderSelection:
    """All candidates in file order, and the files that could not be read.

    `close`: for each of `groups` the places in `rows` among which the choice was too close to call (see
    `certainty`), best first; empty where it was clear or nothing was chosen.
    """

    rows: list[Row]
    skipped: list[Skipped]
    close: tuple[tuple[int, ...], ...] = ()

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
    progress(Progress("scoring", 0, len(files)))
    for path, result in model.score_files(files, skipped):
        scored.append((path, float(result.score), float(result.logit), float(result.uncertainty)))
        progress(Progress("scoring", len(scored) + len(skipped), len(files)))
    if not scored:
        raise DataError(f"No picture could be read, so nothing was selected. {describe_skipped(skipped)}")
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
        Row(path, groups[i], selection.ranks[i], score, logit, uncertainty, kept=i in kept)
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
    """Place what was kept into the empty folder `output`.

    Also writes `scores.csv`, one row per candidate, and with `sheet` `contact_sheet.jpg`. The table and
    the sheet come first: whatever happens to the files afterwards is on record. Raises OutputError where
    something cannot be written.
    """
    sources = [row.path for row in selection.kept]
    targets = dict(zip(sources, _targets(sources, output), strict=True))
    placed = replace(selection, rows=[replace(row, kept_as=targets.get(row.path)) for row in selection.rows])
    _write_table(output / TABLE, placed.rows)
    if sheet:
        _write_sheet(output / SHEET, placed, progress)
    for done, (source, target) in enumerate(targets.items(), start=1):
        place(source, target, mode)
        progress(Progress(f"{mode} the best", done, len(targets)))
    return placed


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
    taken = {TABLE, SHEET}
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
        table.writerow(COLUMNS)
        for row in rows:
            kept_as = row.kept_as.name if row.kept_as else ""
            figures = [f"{value:.6f}" for value in (row.score, row.logit, row.uncertainty)]
            table.writerow([row.path, row.group + 1, row.rank, int(row.kept), *figures, kept_as])


def _write_sheet(path: Path, selection: FolderSelection, progress: ProgressCallback) -> None:
    """Groups as rows, best first; a single group as a grid. Very many are cut, and the title says so."""
    rows, all_groups = selection.rows, selection.groups
    single = len(all_groups) == 1
    most = _SHEET_COLUMNS * (6 if single else 1)
    groups = [sorted(group, key=_rank)[:most] for group in all_groups[:_SHEET_ROWS]]
    total = sum(len(group) for group in groups)
    tiles: list[list[Tile]] = []
    done = 0
    for group in groups:
        tiles.append([])
        for row in group:
            tiles[-1].append(_tile(row))
            done += 1
            progress(Progress("drawing the contact sheet", done, total))
    title = f"{sum(row.kept for row in rows)} kept of {len(rows)}"
    if total < len(rows):
        cut = "all" if single else f"each of {len(groups)} out of {len(all_groups)} groups"
        title += f", the best {most} of {cut} shown"
    if single:
        sheet = grid(tiles[0], _SHEET_COLUMNS, title=title)
    else:
        sheet = contact_sheet(
            tiles, title=title, row_labels=[f"group {group[0].group + 1}" for group in groups]
        )
    with atomic_file(path) as temporary:
        sheet.convert("RGB").save(temporary, quality=92)


def _tile(row: Row) -> Tile:
    # A thumbnail at once: a sheet of full-size pictures would not fit in memory.
    picture = to_pil(read_image(row.path))
    picture.thumbnail((440, 440))
    return Tile(picture, (f"{row.score:.3f}", row.path.name), highlight=row.kept, badge=f"#{row.rank}")


def _rank(row: Row) -> int:
    return row.rank
