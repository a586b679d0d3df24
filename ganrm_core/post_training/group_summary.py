"""What the scores of groups say: spread inside groups, groups with nothing to choose, spoilt pictures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..reports.score_format import score_text
from .groups import Group, Groups

_NAMED = 10


@dataclass(frozen=True)
class GroupScores:
    """Scores of one group: `order` from best to worst, spoilt pictures left out."""

    order: tuple[int, ...]
    scores: tuple[float, ...]

    @property
    def best(self) -> float:
        return self.scores[self.order[0]]

    @property
    def worst(self) -> float:
        return self.scores[self.order[-1]]

    @property
    def median(self) -> float:
        return statistics.median(self.scores[place] for place in self.order)


def group_scores(group: Group) -> GroupScores:
    return GroupScores(tuple(group.ranking()), tuple(group.scores.tolist()))


def spoilt_pictures(groups: Groups) -> dict[int, list[int]]:
    """Positions of the pictures without a finite score, by the position of their group."""
    found = {}
    for i, group in enumerate(groups.groups):
        if lost := torch.nonzero(~torch.isfinite(group.logits)).flatten().tolist():
            found[i] = lost
    return found


def title(groups: Groups) -> str:
    count, sizes = len(groups.groups), {len(group) for group in groups.groups}
    pictures = f"{sizes.pop()} pictures" if len(sizes) == 1 else "pictures"
    return f"1 group of {pictures}" if count == 1 else f"{count} groups of {pictures}"


def score_sentences(groups: Groups) -> list[str]:
    """Range of the scores, how far the best of a group lies above its middle, and groups with nothing to choose."""
    known = [found for group in groups.groups if (found := group_scores(group)).order]
    if not known:
        return []
    scores = [found.scores[place] for found in known for place in found.order]
    gain = statistics.mean(found.best - found.median for found in known)
    parts = (
        f"min {score_text(min(scores))}",
        f"median {score_text(statistics.median(scores))}",
        f"max {score_text(max(scores))}",
    )
    sentences = [" · ".join(parts)]
    if all(0 <= score <= 1 for score in scores):
        sentences.append(f"On average the best of a group scores {score_text(gain)} above its middle one.")
    return [*sentences, *_alike_sentences(groups)]


def spoilt_sentences(groups: Groups) -> list[str]:
    """Such as "Spoilt in group 3: pictures 2, 5." """
    return [
        f"Spoilt in group {i + 1}: {'picture' if len(lost) == 1 else 'pictures'} {listed(lost)}."
        for i, lost in spoilt_pictures(groups).items()
    ]


def listed(positions: Sequence[int]) -> str:
    """Positions counted from 1, such as "2, 5", the first ten of many."""
    numbers = ", ".join(str(position + 1) for position in positions[:_NAMED])
    return numbers if len(positions) <= _NAMED else f"{numbers} and {len(positions) - _NAMED} more"


def _alike_sentences(groups: Groups) -> list[str]:
    alike = groups.alike()
    if not alike:
        return []
    if groups.spread() == 0:
        return [
            "The reward scores all pictures of a group alike, so there is nothing to learn from them. Use another reward."
        ]
    where = f"group {listed(alike)}" if len(alike) == 1 else f"groups {listed(alike)}"
    return [f"Nothing to choose in {where}: the pictures there score alike."]
