"""Best of N over a folder of files: find, score, rank and place them."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..data.given_prompts import PromptOf
from ..data.image_folder import find_images
from ..data.picture_prompt import picture_prompt
from ..data.skipped_files import Skipped, describe_skipped
from ..rewards.base import Reward
from ..rewards.prompted_files import nothing_scored, score_prompted_files
from ..utils.errors import DataError
from ..utils.files import shown
from ..utils.progress import Progress, ProgressCallback, no_progress
from ..utils.short_names import short_names
from .folder_results import FolderSelection, Row, file_stamp
from .ranking import CandidateScores, select_best
from .settings import SelectionSettings


@dataclass(frozen=True)
class FolderSettings(SelectionSettings):
    """`group_by`: a regular expression; files whose names agree in its first group, or the whole match, are one group."""

    group_by: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.group_by is None:
            return
        try:
            re.compile(self.group_by)
        except re.error as error:
            raise DataError(f"--group-by {self.group_by!r} is not a regular expression ({error}).") from error
        if self.group_size is not None:
            raise DataError("Give either a group size or a group pattern, not both.")


def find_candidates(
    folder: Path, *outputs: Path, recursive: bool = False, say: Callable[[str], None] | None = None
) -> list[Path]:
    """The pictures of `folder` as `find_images` finds them, without those in any of `outputs` below it."""
    inside = {output.resolve() for output in outputs}
    found = find_images(folder, recursive=recursive, say=say)
    parents = {parent: parent.resolve() for parent in {path.parent for path in found}}
    return [
        path for path in found if inside.isdisjoint((parents[path.parent], *parents[path.parent].parents))
    ]


def rank_files(
    model: Reward,
    files: Sequence[Path],
    settings: FolderSettings | None,
    *,
    prompt_of: PromptOf = picture_prompt,
    progress: ProgressCallback = no_progress,
) -> FolderSelection:
    """Score `files` and rank them in their groups; nothing is written.

    Without `settings` they are one group and none is kept. `prompt_of` is asked where `model` needs prompts. Raises
    DataError where no file can be scored.
    """
    group_of = dict(zip(files, _group_numbers(files, settings or FolderSettings()), strict=True))
    scored = score_candidates(model, files, prompt_of=prompt_of, progress=progress)
    rows = [replace(row, group=group_of[row.path]) for row in scored.rows]
    return rank_groups(rows, scored.skipped, settings)


def score_candidates(
    model: Reward,
    files: Sequence[Path],
    *,
    prompt_of: PromptOf = picture_prompt,
    progress: ProgressCallback = no_progress,
) -> FolderSelection:
    """Score `files`; all are in one group and not yet ranked. Raises DataError where no file can be scored."""
    # Taken before a file is read: what changes while it is being scored counts as changed.
    stamps = {path: file_stamp(path) for path in files}
    rows, skipped = _score(model, files, prompt_of, progress)
    if not rows:
        raise DataError(
            f"{nothing_scored(model, 'so nothing was selected')} {describe_skipped(skipped, among=files)}"
        )
    return FolderSelection([replace(row, stamp=stamps[row.path]) for row in rows], skipped)


def rank_groups(
    scored: Sequence[Row], skipped: list[Skipped], settings: SelectionSettings | None
) -> FolderSelection:
    """Rank candidates inside the groups they name; without `settings` none is kept."""
    groups = [row.group for row in scored]
    candidates = CandidateScores(
        [row.logit for row in scored],
        [row.score for row in scored],
        [row.uncertainty for row in scored],
    )
    selection = select_best(candidates, replace(settings or SelectionSettings(), group_size=None), groups)
    kept = set(selection.kept) if settings else set()
    rows = [replace(row, rank=selection.ranks[i], kept=i in kept) for i, row in enumerate(scored)]
    return FolderSelection(rows, skipped, selection.close if settings else ())


def _score(
    model: Reward, files: Sequence[Path], prompt_of: PromptOf, progress: ProgressCallback
) -> tuple[list[Row], list[Skipped]]:
    """The files that could be scored, not yet ranked, and the others."""
    skipped: list[Skipped] = []
    rows: list[Row] = []

    def report() -> None:
        progress(Progress("scoring", len(rows) + len(skipped), len(files)))

    report()
    for path, result in score_prompted_files(model, files, skipped, prompt_of, report):
        rows.append(Row(path, 0, 0, float(result.score), float(result.logit), float(result.uncertainty)))
        report()
    progress(Progress("scoring", len(files), len(files)))  # the last ones may have been skipped
    return rows, skipped


def _group_numbers(files: Sequence[Path], settings: FolderSettings) -> list[int]:
    """The group of each file, counted from 0; unreadable files count too, so that groups do not shift."""
    if settings.group_size is not None:
        return [index // settings.group_size for index in range(len(files))]
    names = [_group_name(path, files, settings.group_by) for path in files]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return [numbers[name] for name in names]


def _group_name(path: Path, files: Sequence[Path], pattern: str | None) -> Hashable:
    if pattern is None:
        return None
    group = group_of_name(path.name, pattern)
    if group is None:
        raise DataError(
            f"The name {shown(*short_names([path], files))} does not match --group-by {pattern!r}, so its group "
            "is unknown. Change the pattern or leave that file out."
        )
    return group


def group_of_name(name: str, pattern: str) -> str | None:
    """The group of a file by `FolderSettings.group_by`; None where its name does not match."""
    match = re.search(pattern, name)
    return match and (match.group(1) if match.re.groups else match.group(0))
