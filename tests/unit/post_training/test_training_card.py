"""The card of a training on groups: what it says, in both languages, and that it can be drawn with whatever is there."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganrm_core.post_training import training_card
from ganrm_core.post_training.choices import Choice, Example
from ganrm_core.post_training.config import GroupTraining, LoraSettings
from ganrm_core.post_training.round_signs import Look
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
from ganrm_core.reports.canvas import ACCENT
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


def look(step: int, **changed: Any) -> Look:
    healthy = Look(step, step / 100, 0.9, 0.95, HeldOut(1.02, 1.01), step / 120, 0.98)
    return replace(healthy, **changed)


def watched(*looks: Look, best: int | None, stopped: str = "", kept: int = 20) -> TrainingTrace:
    """`looks` after the one before training."""
    found: TrainingTrace = trace(stopped=stopped, kept=kept)
    found.looks, found.best = [look(0), *looks], best
    return found


UNPLEASED, ALIKE = {"reward": -0.5, "judge": -0.5}, {"diversity": 0.7}
WATCHED = {
    "last best": watched(look(10), look(20), best=2),
    "earlier best": watched(look(10), look(20), best=1, kept=10),
    "earlier best, no judge": watched(look(10, judge=None), look(20, judge=None), best=1, kept=10),
    "alike later": watched(look(10), look(20, **ALIKE), best=1, kept=10),
    "worse later": watched(look(10), look(20, **UNPLEASED, spread=0.3), best=1, kept=10),
    "not better": watched(look(10, **UNPLEASED), look(20, **UNPLEASED), best=0),
    "not better, no judge": watched(look(20, reward=-0.5, judge=None), best=0),
    "always alike": watched(look(10, **ALIKE), look(20, **ALIKE), best=0),
    "always worse": watched(look(20, **UNPLEASED, prompts=0.6), best=0),
    "gone blind": watched(look(10), best=None),
    "broke after looks": watched(look(10), best=1, stopped=NOT_A_NUMBER, kept=10),
    **{
        f"stopped by {sign}": watched(look(10), look(20, **bad), best=1, stopped=sign, kept=10)
        for sign, bad in {
            "forgetting": {"held_out": HeldOut(2.0, 1.0)},
            "details": {"held_out": HeldOut(1.0, 2.0)},
            "diversity": {"diversity": 0.5},
            "spread": {"spread": 0.2},
            "judge": {"judge": -3.0},
            "prompts": {"prompts": 0.5},
        }.items()
    },
    "worse at once": watched(look(20, **UNPLEASED, spread=0.2), best=0, stopped="spread", kept=0),
    "cheating at once": watched(look(20, diversity=0.5), best=0, stopped="diversity", kept=0),
}
VERDICTS = {
    "done": verdict(trace(), 20, 0.3),
    "no previews": verdict(trace(), 20, None),
    "unchanged": verdict(trace(), 20, 0.0001),
    "forgetting": verdict(trace(warned=True), 20, 0.3),
    "forgot": verdict(trace(stopped=FORGETTING, kept=15), 40, 0.3),
    "broke": verdict(trace(stopped=NOT_A_NUMBER, kept=15), 40, 0.3),
    **{name: verdict(each, 20, 0.3) for name, each in WATCHED.items()},
}


def test_the_verdict_says_what_happened_and_what_to_do() -> None:
    calm = [name for name, each in VERDICTS.items() if not each.warning]
    assert calm[:2] == ["done", "no previews"]
    assert calm[2:] == ["last best", "earlier best", "earlier best, no judge", "gone blind"]
    assert "Save LoRA" in VERDICTS["done"].sentence
    assert "more steps" in VERDICTS["unchanged"].sentence
    for name in ("forgot", "broke"):
        assert "step 20 of 40" in VERDICTS[name].sentence
        assert "that of step 15" in VERDICTS[name].sentence


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("last best", ["All 20 steps", "the last is the best", "Save LoRA"]),
        ("earlier best", ["that of step 10", "the second opinion more"]),
        ("earlier best, no judge", ["that of step 10", "your taste more"]),
        ("alike later", ["that of step 10", "cheating", "alike", "Save LoRA"]),
        ("not better", ["do not please the second opinion more", "last step all the same", "Compare Models"]),
        (
            "always alike",
            [
                "may please your taste by cheating",
                "alike",
                "last step all the same",
                "Compare Models",
                "'pairs'",
            ],
        ),
        ("gone blind", ["All 20 steps are done.", "Save LoRA"]),
        ("broke after looks", ["that of step 10", "lower learning rate"]),
        ("stopped by judge", ["at step 20 of 20", "second opinion did not agree", "that of step 10"]),
        ("cheating at once", ["at step 20 of 20", "as it was before training", "'pairs'"]),
    ],
)
def test_the_verdict_says_what_the_watch_saw_and_what_is_kept(name: str, said: list[str]) -> None:
    assert [part for part in said if part not in VERDICTS[name].sentence] == []


def test_nobody_is_said_to_cheat_without_higher_scores_nor_to_have_an_anchor() -> None:
    for name in ("worse later", "worse at once"):
        assert "began to get worse" in VERDICTS[name].sentence
    assert "more than before. Its pictures followed the prompt less." in VERDICTS["always worse"].sentence
    assert not [name for name, each in VERDICTS.items() if "anchor" in each.sentence]


@pytest.mark.parametrize("stopped", [FORGETTING, NOT_A_NUMBER])
def test_a_training_without_any_good_step_is_refused(stopped: str) -> None:
    check_kept(trace(stopped=stopped, kept=1))
    with pytest.raises(DataError, match="learning rate"):
        check_kept(trace(stopped=stopped, kept=0))
    check_kept(WATCHED["worse at once"])  # where the card shows why


def test_facts_and_notes_name_what_was_learned_from() -> None:
    pairs = (Example(0, 0, 1, 2), Example(0, 0, 3, 4), Example(1, 1, 0, 2))
    settings, lora = GroupTraining(method="pairs", micro_batch=4), LoraSettings()
    text = "\n".join(facts(trace(ratio=1.12), Choice(pairs, pairs[:1], 0), settings, lora))
    assert "3 pairs of 2 groups, watched on 1 more" in text
    assert "112% of that before" in text
    text = "\n".join(facts(WATCHED["alike later"], Choice(pairs, pairs, 0), settings, lora))
    assert "After step 10: pleases your taste +0.10, second opinion +0.08, " in text
    assert "variety 70%" in text
    assert "After step" not in "\n".join(
        facts(WATCHED["gone blind"], Choice(pairs, pairs, 0), settings, lora)
    )
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


def test_what_the_watch_saw_is_drawn_below_the_chart() -> None:
    def body(trace: TrainingTrace) -> Image.Image:
        return training_body(TrainingView(trace, 20, PICTURES, PICTURES, trace.kept))

    plain, first = body(trace()), body(WATCHED["last best"])
    assert first.height == body(watched(best=0)).height > plain.height
    below = first.crop((0, plain.height, first.width, first.height))
    assert ACCENT in {colour for _, colour in below.getcolors(1 << 24)}
    assert np.array_equal(np.asarray(plain), np.asarray(first)[: plain.height])


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
    for each in VERDICTS.values():
        recorded(each.sentence)
    for title in TITLES.values():
        recorded(title)
    shown = (
        (trace(), []),
        (trace(), PICTURES),
        (WATCHED["stopped by judge"], PICTURES),
        (WATCHED["worse at once"], PICTURES),
    )
    for each, after in shown:
        view = TrainingView(each, 20, PICTURES, after, each.kept)
        training_report_card(view, "", "", warning=False, width=768)
    for stage in ("sampling before", "watching", "training", "sampling after"):
        live_training_card(training_body(view), Stage(stage, 1, 2))
    left = {
        text
        for text, shown in drawn.items()
        if re.search("[A-Za-z]{2,}", re.sub("Save LoRA|LoRA", "", shown))
    }
    assert left == set()
