"""Culling: group near-duplicates and bursts, and keep the best of each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..data.given_prompts import PromptOf
from ..data.leader_clustering import group_around_leaders
from ..data.near_duplicates import BURST, THRESHOLD, signature
from ..data.picture_prompt import picture_prompt
from ..data.skipped_files import Skipped
from ..data.streaming import stream_files
from ..rewards.base import Reward
from ..rewards.discriminator.feature_cache import get_record, put_record
from ..rewards.discriminator.file_features import load_unless_cached
from ..utils.errors import DataError
from ..utils.progress import Progress, ProgressCallback, no_progress
from .folder import rank_groups, score_candidates
from .folder_results import FolderSelection, Row
from .settings import SelectionSettings

Alike = Literal["bursts", "copies"]
ALIKE: tuple[Alike, ...] = get_args(Alike)

_THRESHOLDS: dict[Alike, float] = {"bursts": BURST, "copies": THRESHOLD}
_RECORD = "signature"


@dataclass(frozen=True)
class CullSettings:
    """Which pictures count as alike, and how many of each group are kept.

    `alike`: "copies" joins re-saved, resized, relit and slightly cropped versions of one picture, "bursts" also shots of
    one scene a moment apart. `within`: only pictures at most so many files apart in name order are compared, as those of
    a camera's burst are; 0: all. Raises DataError for other values.
    """

    alike: Alike = "bursts"
    keep: int = 1
    within: int = 0

    def __post_init__(self) -> None:
        if self.alike not in ALIKE:
            raise DataError(f"There is no grouping {self.alike!r}. Use one of: {', '.join(ALIKE)}.")
        if self.within < 0:
            raise DataError(f"within is {self.within}. Use a number of files, or 0 for no limit.")


def cull_files(
    model: Reward,
    files: Sequence[Path],
    settings: CullSettings,
    *,
    prompt_of: PromptOf = picture_prompt,
    progress: ProgressCallback = no_progress,
) -> FolderSelection:
    """Score `files`, group those that are alike around the best of them, and keep the best of each group.

    A picture with no other like it is a group of its own, and kept. Groups count in file order. Every picture that is not
    kept is like one that is and scores higher (`keep` 1). Nothing is written. Raises DataError where no file can be scored.
    """
    choice = SelectionSettings(keep=settings.keep)
    scored = score_candidates(model, files, prompt_of=prompt_of, progress=progress)
    unreadable: list[Skipped] = []
    found = _signatures([row.path for row in scored.rows], unreadable, progress)
    rows = [row for row in scored.rows if row.path in found]
    if not rows:
        raise DataError("No picture can be read any more, so nothing was grouped. Read the folder again.")
    order = sorted(range(len(rows)), key=lambda position: -rows[position].logit)
    leaders = group_around_leaders(
        np.stack([found[row.path] for row in rows]),
        order,
        _THRESHOLDS[settings.alike],
        places=_places(files, rows, settings.within) if settings.within else None,
        within=settings.within,
        progress=progress,
    )
    numbers = {leader: number for number, leader in enumerate(dict.fromkeys(leaders.tolist()))}
    grouped = [
        replace(row, group=numbers[leader]) for row, leader in zip(rows, leaders.tolist(), strict=True)
    ]
    return rank_groups(grouped, [*scored.skipped, *unreadable], choice)


def groups_of_several(selection: FolderSelection) -> FolderSelection:
    """Only the groups with more than one picture."""
    several = {group[0].group for group in selection.groups if len(group) > 1}
    return replace(selection, rows=[row for row in selection.rows if row.group in several], close=())


def the_rest(selection: FolderSelection) -> list[Row]:
    """The pictures that are not kept, in file order."""
    return [row for row in selection.rows if not row.kept]


def _signatures(
    paths: Sequence[Path], skipped: list[Skipped], progress: ProgressCallback
) -> dict[Path, NDArray[np.float32]]:
    """The signature of each file; from the disk cache where one is kept there."""
    found: dict[Path, NDArray[np.float32]] = {}
    progress(Progress("looking at the pictures", 0, len(paths)))
    for position, vector in stream_files(paths, lambda _, path: _signature_of(path), skipped=skipped):
        found[paths[position]] = vector
        progress(Progress("looking at the pictures", position + 1, len(paths)))
    return found


def _signature_of(path: Path) -> NDArray[np.float32]:
    loaded = load_unless_cached(path, _cached)
    if loaded.image is None:
        assert loaded.kept is not None
        return loaded.kept
    vector = signature(loaded.image)
    put_record(_RECORD, loaded.content, lambda: vector.tolist())
    return vector


def _cached(content: str) -> NDArray[np.float32] | None:
    values = get_record(_RECORD, content)
    return None if values is None else np.array(values, dtype=np.float32)


def _places(files: Sequence[Path], rows: Sequence[Row], within: int) -> NDArray[np.int64]:
    """The place of each row's file in the name order of its folder; folders are further apart than `within`."""
    apart = len(files) + within + 1
    next_of: dict[Path, int] = {}
    place_of: dict[Path, int] = {}
    for path in files:
        place_of[path] = next_of.setdefault(path.parent, apart * len(next_of))
        next_of[path.parent] += 1
    return np.array([place_of[row.path] for row in rows], dtype=np.int64)
