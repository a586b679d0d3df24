"""The card of a training on groups: what it says, in both languages, and that it can be drawn with whatever is there."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganrm_core.post_training import training_card
from ganrm_core.post_training.choices import Choice, Example
from ganrm_core.post_training.config import GroupTraining, LoraSettings
from ganrm_core.post_training.training_card import (
    TrainingView,
    live_training_card,
    training_body,
    training_report_card,
)
from ganrm_core.post_training.training_chart import held_out_points, smoothed
from ganrm_core.post_training.training_trace import TrainingStep, TrainingTrace
from ganrm_core.post_training.training_words import TITLES, check_kept, facts, notes, verdict
from ganrm_core.post_training.watch import FORGETTING, NOT_A_NUMBER, HeldOut
from ganrm_core.reports import fonts, translation
from ganrm_core.reports.live_preview import Stage
from ganrm_core.utils.errors import DataError

PICTURES = [Image.new("RGB", (64, 48), (200, 30 * place, 0)) for place in range(4)]


def trace(
    steps: int = 20, ratio: float = 1.0, stopped: str = "", kept: int = 20, warned: bool = False
) -> Any:
    found = [
        TrainingStep(number, 1 / number, HeldOut(ratio, 1.0) if number % 5 == 0 else None)
        for number in range(1, steps + 1)
    ]
    return TrainingTrace(found, stopped, kept, warned)


VERDICTS = {
    "done": verdict(trace(), 20, 0.3),
    "no previews": verdict(trace(), 20, None),
    "unchanged": verdict(trace(), 20, 0.0001),
    "forgetting": verdict(trace(warned=True), 20, 0.3),
    "forgot": verdict(trace(stopped=FORGETTING, kept=15), 40, 0.3),
    "broke": verdict(trace(stopped=NOT_A_NUMBER, kept=15), 40, 0.3),
}


def test_the_verdict_says_what_happened_and_what_to_do() -> None:
    assert [name for name, each in VERDICTS.items() if not each.warning] == ["done", "no previews"]
    assert "Save LoRA" in VERDICTS["done"].sentence
    assert "more steps" in VERDICTS["unchanged"].sentence
    for name in ("forgot", "broke"):
        assert "step 20 of 40" in VERDICTS[name].sentence
        assert "that of step 15" in VERDICTS[name].sentence


@pytest.mark.parametrize("stopped", [FORGETTING, NOT_A_NUMBER])
def test_a_training_without_any_good_step_is_refused(stopped: str) -> None:
    check_kept(trace(stopped=stopped, kept=1))
    with pytest.raises(DataError, match="learning rate"):
        check_kept(trace(stopped=stopped, kept=0))


def test_facts_and_notes_name_what_was_learned_from() -> None:
    pairs = (Example(0, 0, 1, 2), Example(0, 0, 3, 4), Example(1, 1, 0, 2))
    settings, lora = GroupTraining(method="pairs", micro_batch=4), LoraSettings()
    text = "\n".join(facts(trace(ratio=1.12), Choice(pairs, pairs[:1], 0), settings, lora))
    assert "3 pairs of 2 groups, watched on 1 more" in text
    assert "112% of that before" in text
    assert notes(Choice(pairs, pairs, 0), settings, 4) == []
    found = notes(Choice(pairs, (), 2), settings, 1)
    assert [bool(re.search(word, note)) for word, note in zip(("2 groups", "eight", "1 of 4"), found, strict=True)] == [
        True
    ] * 3  # fmt: skip


def test_points_of_the_chart() -> None:
    assert held_out_points(trace(10, ratio=1.1)) == [(0, 1.0), (5, 1.1), (10, 1.1)]
    assert held_out_points(trace(5, ratio=math.nan)) == []
    assert smoothed([1.0] * 15 + [3.0] * 5)[-1] == 3.0
    assert smoothed([4.0, math.nan, 2.0]) == [4.0, 2.0]


@pytest.mark.parametrize("before", [[], PICTURES, PICTURES[:2]])
@pytest.mark.parametrize("steps", [0, 1, 20])
def test_cards_show_whatever_there_is(before: list[Image.Image], steps: int) -> None:
    view = TrainingView(trace(steps), 40, before, before[:1], 10)
    live = live_training_card(training_body(view), Stage("training", 3, 40, left="about 2 min left"))
    final = training_report_card(view, TITLES["best"], VERDICTS["done"].sentence, warning=False)
    assert (live.width, final.width) == (768, 1536)
    pixels = np.asarray(live)
    reds = (pixels[..., 0] == 200) & (pixels[..., 2] == 0)
    assert bool(reds.any()) == bool(before)


def test_without_matplotlib_the_pictures_are_still_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_card, "charts_available", lambda: False)
    view = TrainingView(trace(), 20, PICTURES, PICTURES, 20)
    assert training_body(view).width == 768


def test_everything_drawn_is_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, str] = {}

    def recorded(text: str) -> str:
        drawn[text] = translation.translated(text)
        return drawn[text]

    monkeypatch.setattr(fonts, "translated", recorded)
    monkeypatch.setattr(fonts, "_can_draw", lambda _: True)
    monkeypatch.setattr(translation, "_current", lambda: "zh")
    for place, each in enumerate(VERDICTS.values()):
        after = PICTURES[: place % 2]
        view = TrainingView(trace(), 20, PICTURES, after, 10)
        for title in TITLES.values():
            training_report_card(view, title, each.sentence, warning=each.warning, width=768)
    for stage in ("sampling before", "training", "sampling after"):
        live_training_card(training_body(view), Stage(stage, 1, 2))
    left = {
        text
        for text, shown in drawn.items()
        if re.search("[A-Za-z]{2,}", re.sub("Save LoRA|LoRA", "", shown))
    }
    assert left == set()
