"""What to learn from: the best samples of each group, or pairs of better and worse ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..utils.errors import DataError
from .groups import Group, Groups

_HELD_OUT_EVERY = 8
_BEST_OF, _PAIRS_OF = 8, 4
"""One of how many samples of a group is chosen by default: the less extreme pairs are, the more variety they leave."""


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

    `keep` 0 stands for an eighth of a group, for pairs a quarter. At most half of a group counts as best. An eighth of
    the groups is held out; groups of equal scores teach noise and are left out. Raises DataError if no group has a spread.
    """
    alike = set(groups.alike())
    useful = [number for number in range(len(groups.groups)) if number not in alike]
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
    count = min(keep or max(1, len(ranking) // (_PAIRS_OF if paired else _BEST_OF)), len(ranking) // 2)
    return [
        Example(number, group.prompt, ranking[place], ranking[-1 - place] if paired else None)
        for place in range(count)
    ]
