"""References from a group: wins over all pairs, in both orders."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import pytest
import torch

from ganrm_core.rewards.vision_language.group_references import strongest_of_group
from ganrm_core.rewards.vision_language.reward import Judgement, VisionLanguageReward
from ganrm_core.utils.errors import DataError
from ganrm_core.utils.progress import Progress


class Brighter(VisionLanguageReward):
    """Prefers the brighter picture; gives no answer about a black one."""

    needs_prompt = True
    name = "brighter"

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def compare(self, first: Any, second: Any, prompt: str = "", step: Any = None) -> Judgement:
        step()
        self.prompts.append(prompt)
        a, b = (picture.getpixel((0, 0))[0] for picture in (first, second))
        return Judgement(math.nan if 0 in (a, b) else float(b - a))


def group(*values: float) -> list[torch.Tensor]:
    return [torch.full((4, 4, 3), value) for value in values]


def test_the_pictures_with_most_wins_come_first() -> None:
    reward = Brighter()
    assert strongest_of_group(reward, group(0.2, 0.9, 0.0, 0.5), " a fox") == [1, 3]
    assert reward.prompts == ["a fox"] * len(list(combinations(range(4), 2)))


def test_equal_wins_keep_their_order() -> None:
    assert strongest_of_group(Brighter(), group(0.5, 0.5, 0.5), "a fox") == [0, 1]


def test_it_can_be_cancelled_between_pairs() -> None:
    reward = Brighter()

    def cancel(step: Progress) -> None:
        if step.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        strongest_of_group(reward, group(0.2, 0.9, 0.5), "a fox", progress=cancel)
    assert len(reward.prompts) == 1


@pytest.mark.parametrize(
    ("values", "prompt", "message"), [((0.5,), "a fox", "and it has 1"), ((0.5, 0.6), "", "is empty")]
)
def test_it_says_what_is_missing(values: tuple[float, ...], prompt: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        strongest_of_group(Brighter(), group(*values), prompt)
