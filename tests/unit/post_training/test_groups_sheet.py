"""Summary and sheet of groups: what they say of scores, spoilt pictures and groups with nothing to choose."""

from __future__ import annotations

import math

import pytest
import torch

from ganrm_core.post_training.group_summary import (
    listed,
    score_sentences,
    spoilt_pictures,
    spoilt_sentences,
    title,
)
from ganrm_core.post_training.groups import Group, Groups, Sampling
from ganrm_core.post_training.groups_sheet import groups_sheet
from ganrm_core.post_training.prompt_card import prompt_card
from ganrm_core.reports import fonts


def group(*logits: float, size: tuple[int, int] = (8, 8)) -> Group:
    values = torch.tensor(logits)
    count = len(logits)
    return Group(
        0,
        tuple(range(count)),
        torch.zeros(count, 4, 2, 2),
        values,
        torch.sigmoid(values),
        torch.zeros(count),
        torch.zeros(count, *size, 3, dtype=torch.uint8),
    )


def groups(*each: Group) -> Groups:
    return Groups(("a cat",), each, Sampling(20, 8.0, "euler", "normal"))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that is drawn."""
    found: list[str] = []
    translated = fonts.translated

    def recording(text: str) -> str:
        found.append(text)
        return translated(text)

    monkeypatch.setattr(fonts, "translated", recording)
    return found


def test_range_and_gain() -> None:
    assert score_sentences(groups(group(-2, 0, 2), group(0, 0.5, 1))) == [
        "min 0.12 · median 0.56 · max 0.88",
        "On average the best of a group scores 0.24 above its middle one.",
    ]
    assert title(groups(group(1, 2))) == "1 group of 2 pictures"
    assert title(groups(group(1, 2), group(1, 2, 3))) == "2 groups of pictures"


def test_groups_with_nothing_to_choose_are_named() -> None:
    some = groups(group(-2, 2), group(1, 1.001), group(0, 4), group(3, -math.inf))
    assert some.alike() == [1, 3]
    assert score_sentences(some)[-1] == "Nothing to choose in groups 2, 4: the pictures there score alike."
    alike = groups(group(1, 1), group(2, 2))
    assert alike.alike() == [0, 1]
    assert "nothing to learn" in score_sentences(alike)[-1]


def test_spoilt_pictures_are_named() -> None:
    some = groups(group(1, 2), group(-math.inf, 1, math.nan))
    assert spoilt_pictures(some) == {1: [0, 2]}
    assert spoilt_sentences(some) == ["Spoilt in group 2: pictures 1, 3."]
    assert listed(range(13)) == "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 3 more"
    assert score_sentences(groups(group(math.nan))) == []


def test_the_sheet_shows_best_and_worst_of_the_first_twelve(drawn: list[str]) -> None:
    some = groups(*(group(-1, 0, number / 10 + 0.5, size=(8 + number % 3, 8)) for number in range(15)))
    assert groups_sheet(some, "title", ["a note"], ["a warning"]).width == 1260
    assert "Not drawn: 3 more, scores from 0.27 to 0.87." in drawn
    assert {"title", "a note", "a warning", "12", "0.27", "0.62"} <= set(drawn)
    assert "13" not in drawn


def test_a_sheet_of_spoilt_equal_and_unbounded_scores(drawn: list[str]) -> None:
    unbounded = group(3, 30)
    unbounded = Group(**{**vars(unbounded), "scores": unbounded.logits})
    groups_sheet(groups(group(math.nan, math.nan), group(1, 1), unbounded), "title")
    assert {"spoilt", "nothing to choose", "30", "3"} <= set(drawn)


def test_the_card_lists_the_first_prompts(drawn: list[str]) -> None:
    prompt_card([f"prompt {number}" for number in range(30)], "30 prompts", ["a note"])
    assert {"30 prompts", "a note", "prompt 23", "24", "6 more"} <= set(drawn)
    assert "prompt 24" not in drawn
