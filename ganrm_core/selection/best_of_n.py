"""Best of N: score pictures and keep the best of each group."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..data.skipped_files import Skipped, describe_skipped
from ..rewards.base import Images, Reward, Scores, joined
from ..utils.errors import ImageError
from .close_calls import close_calls
from .non_finite import WHY, check_some_are_judged, check_some_are_left, is_spoilt, marked, stand_in
from .ranking import Order, Selection, Ties, select_best

_NO_SCORE = Scores(*(torch.full((1,), math.nan) for _ in range(3)))


@dataclass(frozen=True)
class BestOfN:
    """The scores of all pictures, and which were kept.

    `close`: for each group the positions among which the choice was too close to call (see `certainty`), best
    first; empty where it was clear. `spoilt`: the positions of pictures that could not be judged, and why; they have
    the logit −inf and the score 0, rank last and are never kept.
    """

    scores: Scores
    selection: Selection
    close: tuple[tuple[int, ...], ...] = ()
    spoilt: Mapping[int, str] = field(default_factory=dict)

    @property
    def kept(self) -> tuple[int, ...]:
        """Positions of the pictures kept, best first within a group."""
        return self.selection.kept


def best_of_n(
    reward: Reward,
    images: Images,
    *,
    keep: int = 1,
    group_size: int | None = None,
    groups: Sequence[Hashable] | None = None,
    min_score: float | None = None,
    min_keep: int = 0,
    order: Order = "ranked",
    ties: Ties = "by score",
    prompts: Sequence[str] | None = None,
) -> BestOfN:
    """Score `images` (as `Reward.score` takes them) and keep the best `keep` of each group.

    See `select_best` for the rules. A picture with NaN or infinite pixels, a file that cannot be read and a
    picture that is given no finite score are `spoilt` and cost the others nothing (with `prompts`, unreadable
    files raise). Raises ImageError where all are, and for pictures that no reward takes; DataError for
    arguments that contradict each other.
    """
    files = [] if prompts is not None else _files(images)
    found, why = _scored_files(reward, files) if files else _scored(reward, images, prompts)
    scores = marked(found, why)
    logits, shares = scores.logit.tolist(), scores.score.tolist()
    check_some_are_judged(logits)
    selection = select_best(
        logits,
        keep=keep,
        scores=shares,
        min_score=min_score,
        min_keep=min_keep,
        group_size=group_size,
        groups=groups,
        order=order,
        ties=ties,
        uncertainties=scores.uncertainty.tolist(),
    )
    close = close_calls(selection.groups, logits, shares, keep, min_score)
    return BestOfN(
        scores, selection, close, {i: why.get(i, "it has no finite score") for i in selection.spoilt}
    )


def _files(images: Images) -> list[Path]:
    """The files where `images` are such; nothing where they are pixels."""
    some = [images] if isinstance(images, (str, os.PathLike)) else images
    if isinstance(some, (list, tuple)) and all(isinstance(each, (str, os.PathLike)) for each in some):
        return [Path(each) for each in some]
    return []


def _scored_files(reward: Reward, paths: Sequence[Path]) -> tuple[Scores, dict[int, str]]:
    skipped: list[Skipped] = []
    scored = dict(reward.score_files(list(dict.fromkeys(paths)), skipped))
    if not scored:
        raise ImageError(
            f"No picture could be read, so there is nothing to choose from. {describe_skipped(skipped)}"
        )
    why = {entry.path: f"it cannot be read: {entry.reason}" for entry in skipped}
    scores = joined([scored.get(path, _NO_SCORE) for path in paths])
    return scores, {i: why[path] for i, path in enumerate(paths) if path in why}


def _scored(reward: Reward, images: Images, prompts: Sequence[str] | None) -> tuple[Scores, dict[int, str]]:
    pictures = _apart(images)
    spoilt = {i for i, picture in enumerate(pictures) if is_spoilt(picture)}
    check_some_are_left(spoilt, len(pictures))
    if spoilt:
        images = [stand_in(each) if i in spoilt else each for i, each in enumerate(pictures)]
    return reward.score(images, prompts), dict.fromkeys(sorted(spoilt), f"it holds {WHY}")


def _apart(images: Images) -> Sequence[Any]:
    """One by one, where that is clear; else nothing, and the reward says what is wrong with them."""
    if isinstance(images, (list, tuple)):
        return images
    dimensions = getattr(images, "ndim", 0)
    return list(images) if dimensions == 4 else [images] if dimensions == 3 else []
