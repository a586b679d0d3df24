"""Best of N: score pictures and keep the best of each group."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ..data.skipped_files import Skipped, describe_skipped
from ..rewards.base import Images, Reward, Scores, joined, needs_prompt
from ..rewards.prompted_files import nothing_scored, score_prompted_files
from ..utils.errors import ImageError
from .non_finite import (
    NON_FINITE,
    check_some_finite,
    check_some_scored,
    find_invalid,
    mark_invalid,
    replace_invalid,
)
from .ranking import CandidateScores, Selection, select_best
from .settings import SelectionSettings

_NAN = torch.full((1,), math.nan)
_NO_SCORE = Scores(_NAN, _NAN, _NAN)


@dataclass(frozen=True)
class BestOfN:
    """The scores of all pictures, and which were kept.

    `invalid`: the positions of pictures that cannot be scored, and why; they have the logit −inf and the score 0,
    rank last and are never kept.
    """

    scores: Scores
    selection: Selection
    invalid: Mapping[int, str] = field(default_factory=dict)

    @property
    def kept(self) -> tuple[int, ...]:
        """Positions of the pictures kept, best first within a group."""
        return self.selection.kept

    @property
    def close(self) -> tuple[tuple[int, ...], ...]:
        """For each group the positions among which the choice is too close to call, best first."""
        return self.selection.close

    @property
    def spoilt(self) -> Mapping[int, str]:
        """The former name of `invalid`."""
        return self.invalid


def best_of_n(
    reward: Reward,
    images: Images,
    settings: SelectionSettings | None = None,
    *,
    groups: Sequence[Hashable] | None = None,
    prompts: Sequence[str] | None = None,
    **changes: Any,
) -> BestOfN:
    """Score `images` (as `Reward.score` takes them) and keep the best of each group.

    `changes`: fields of `SelectionSettings` by name, such as `keep=4`. `groups`: see `select_best`. A picture with
    NaN or infinite pixels or score, or a file that cannot be read, is `invalid` (with `prompts`, unreadable files
    raise). Without `prompts`, a reward that needs them takes those stored in the files. Raises ImageError where all
    are invalid, and for pictures that no reward takes; DataError for settings that contradict each other.
    """
    settings = replace(settings or SelectionSettings(), **changes)
    files = [] if prompts is not None else _files(images)
    found, reasons = _score_files(reward, files) if files else _score(reward, images, prompts)
    scores = mark_invalid(found, reasons)
    check_some_scored(scores.logit.tolist(), scores.remarks)
    selection = select_best(CandidateScores.of(scores), settings, groups)
    invalid = {i: reasons.get(i, "it has no finite score") for i in selection.invalid}
    return BestOfN(scores, selection, invalid)


def _files(images: Images) -> list[Path]:
    """The paths, or nothing where `images` are pixels."""
    several = [images] if isinstance(images, (str, os.PathLike)) else images
    if isinstance(several, (list, tuple)) and all(isinstance(each, (str, os.PathLike)) for each in several):
        return [Path(each) for each in several]
    return []


def _score_files(reward: Reward, paths: Sequence[Path]) -> tuple[Scores, dict[int, str]]:
    """The scores, and why those of some positions are invalid."""
    skipped: list[Skipped] = []
    scored = dict(score_prompted_files(reward, list(dict.fromkeys(paths)), skipped))
    if not scored:
        raise ImageError(
            f"{nothing_scored(reward, 'so there is nothing to choose from')} {describe_skipped(skipped)}"
        )
    why = "it cannot be judged" if needs_prompt(reward) else "it cannot be read"
    reasons = {entry.path: f"{why}: {entry.reason}" for entry in skipped}
    scores = joined([scored.get(path, _NO_SCORE) for path in paths])
    return scores, {i: reasons[path] for i, path in enumerate(paths) if path in reasons}


def _score(reward: Reward, images: Images, prompts: Sequence[str] | None) -> tuple[Scores, dict[int, str]]:
    """The scores, and why those of some positions are invalid."""
    pictures = _one_by_one(images)
    invalid = find_invalid(pictures)
    check_some_finite(invalid, len(pictures))
    if invalid:
        images = replace_invalid(pictures, invalid)
    return reward.score(images, prompts), dict.fromkeys(sorted(invalid), f"it holds {NON_FINITE}")


def _one_by_one(images: Images) -> Sequence[Any]:
    """The pictures, or nothing for a kind that is unknown here: the reward says what is wrong with it."""
    if isinstance(images, (list, tuple)):
        return images
    dimensions = getattr(images, "ndim", 0)
    return list(images) if dimensions == 4 else [images] if dimensions == 3 else []
