"""What to learn from: the best samples of each group, or pairs of better and worse ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..utils.errors import DataError
from .groups import Group, Groups

LEAST_SPREAD = 0.05
"""Groups whose logits have less than this share of the usual standard deviation teach noise, and are left out."""
_HELD_OUT_EVERY = 8


@dataclass(frozen=True)
class Example:
    """One sample to learn from: position `sample` of group `group`; `worse`: what it was better than, None for SFT."""

    group: int
    prompt: int
    sample: int
    worse: int | None = None


@dataclass(frozen=True)
class Choice:
    """`train` and `held_out` come from different groups. `skipped`: groups left out, since their scores are alike."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    skipped: int


def choose(groups: Groups, keep: int, paired: bool) -> Choice:
    """The `keep` best of each group, each `paired` with one of the `keep` worst, the best with the worst.

    An eighth of the groups is held out. At most half of a group counts as best. Raises DataError if no group has a
    spread.
    """
    least = LEAST_SPREAD * groups.spread()
    useful = [number for number, group in enumerate(groups.groups) if _spread(group) > least]
    if not useful:
        raise DataError(
            "The reward gives all pictures of a group the same score, so there is nothing to learn. Make more "
            "pictures per group, or train the reward on more pictures that you like."
        )
    held_out = _held_out([(number, groups.groups[number].prompt) for number in useful])
    examples = {number: _examples(number, groups.groups[number], keep, paired) for number in useful}
    return Choice(
        tuple(each for number in useful if number not in held_out for each in examples[number]),
        tuple(each for number in useful if number in held_out for each in examples[number]),
        len(groups.groups) - len(useful),
    )


def _held_out(groups: Sequence[tuple[int, int]]) -> set[int]:
    """Numbers of an eighth of the groups, given as (number, prompt): each time one of the prompt with the most left.

    So no prompt loses all its groups while another one has several.
    """
    left: dict[int, list[int]] = {}
    for number, prompt in groups:
        left.setdefault(prompt, []).append(number)
    held_out = set()
    for _ in range(len(groups) // _HELD_OUT_EVERY):
        held_out.add(max(left.values(), key=len).pop())
    return held_out


def _examples(number: int, group: Group, keep: int, paired: bool) -> Sequence[Example]:
    ranking = group.ranking()
    count = min(keep, len(ranking) // 2)
    return [
        Example(number, group.prompt, ranking[place], ranking[-1 - place] if paired else None)
        for place in range(count)
    ]


def _spread(group: Group) -> float:
    finite = group.logits[torch.isfinite(group.logits)]
    return float(finite.double().std(correction=0)) if len(finite) > 1 else 0.0
