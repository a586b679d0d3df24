"""The card of a training in rounds: its plots, what it says, in both languages, and that it can be drawn at any time."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganrm_core.post_training.config import LoraSettings, RoundsTraining
from ganrm_core.post_training.learner import RoundLosses
from ganrm_core.post_training.plot_area import Line, PlotArea
from ganrm_core.post_training.round_limits import LIMITS, SIGNS, Sign
from ganrm_core.post_training.round_signs import Look
from ganrm_core.post_training.rounds import RoundsTrace
from ganrm_core.post_training.rounds_card import RoundsView, live_rounds_card, rounds_body, rounds_report_card
from ganrm_core.post_training.rounds_words import TITLES, facts, verdict, warnings_of
from ganrm_core.post_training.sign_plots import plots_height, shown_signs, state_colour
from ganrm_core.post_training.sign_words import displayed, reading
from ganrm_core.post_training.watch import NO_MEMORY, NOT_A_NUMBER, HeldOut
from ganrm_core.reports import fonts, translation
from ganrm_core.reports.canvas import ACCENT, ALARM, PILL, WARNING
from ganrm_core.reports.live_preview import Stage

PICTURES = [Image.new("RGB", (64, 48), (200, 30 * place, 0)) for place in range(4)]
BAD: dict[Sign, dict[str, Any]] = {
    "forgetting": {"held_out": HeldOut(2.0, 1.0)},
    "details": {"held_out": HeldOut(1.0, 2.0)},
    "diversity": {"diversity": 0.5},
    "spread": {"spread": 0.2},
    "judge": {"judge": -3.0},
    "prompts": {"prompts": 0.5},
    "lead": {"lead": 2.0},
    "jump": {"contrast": 1.0},
}


def look(rounds: int, **changed: Any) -> Look:
    healthy = Look(rounds, rounds / 10, 0.9, 0.95, HeldOut(1.02, 1.01), rounds / 12, 0.98, -1.0, 1e-4)
    return replace(healthy, **({} if rounds else {"contrast": None}), **changed)


def trace(looks: Sequence[Look], best: int = -1, stopped: str = "") -> RoundsTrace:
    losses = [RoundLosses(1.0 / number, 1.0, 1e-4) for number in range(1, looks[-1].rounds + 1)]
    return RoundsTrace(losses, list(looks), stopped, best % len(looks))


def looks(*last: Look) -> list[Look]:
    return [look(0), look(4), look(8), *last]


VERDICTS = {
    "done": verdict(trace(looks()), 8),
    "best earlier": verdict(trace(looks(), 1), 8),
    "best earlier, no judge": verdict(trace([look(0), look(4, judge=None), look(8, judge=None)], 1), 8),
    "unfinished": verdict(trace(looks()), 32),
    "nothing yet": verdict(trace([look(0)]), 32),
    "nothing better": verdict(trace(looks(), 0), 8),
    "nothing healthy": verdict(trace(looks(look(12, spread=0.3)), 0), 12),
    "broke": verdict(trace(looks(), 1, NOT_A_NUMBER), 32),
    "memory": verdict(trace(looks(), 1, NO_MEMORY), 32),
    "stopped at once": verdict(trace([look(0), look(4, lead=2.0)], 0, "lead"), 32),
    "became worse": verdict(trace(looks(look(12, reward=-1.0, prompts=0.1)), 1, "prompts"), 32),
    "later jump": verdict(trace(looks(look(12, contrast=0.5)), 2), 12),
    "worse later": verdict(trace(looks(look(12, reward=-1.0, spread=0.3)), 2), 12),
    "worse throughout": verdict(trace(looks(look(12, reward=-1.0, spread=0.3)), 0), 12),
    "jumps throughout": verdict(trace(looks(look(12, contrast=0.5)), 0), 12),
    **{f"later {sign}": verdict(trace(looks(look(12, **bad)), 2), 12) for sign, bad in BAD.items()},
    **{
        f"stopped by {sign}": verdict(trace(looks(look(12, **bad)), 2, sign), 32) for sign, bad in BAD.items()
    },
}


def test_only_trainings_that_went_well_are_no_warning() -> None:
    calm = [name for name, each in VERDICTS.items() if not each.warning]
    assert calm == ["done", "best earlier", "best earlier, no judge"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("done", ["All 8 rounds", "the last is the best", "Save LoRA"]),
        ("best earlier", ["that of round 4", "the second opinion more"]),
        ("best earlier, no judge", ["that of round 4", "your taste more"]),
        ("unfinished", ["8 of 32", "round 8", "Queue again"]),
        ("nothing better", ["none was better than before training", "more pictures per prompt"]),
        ("nothing healthy", ["none was better", "cheating", "hardly tell", "lower learning rate"]),
        ("broke", ["round 8 of 32", "that of round 4", "lower learning rate"]),
        ("memory", ["round 8 of 32", "that of round 4", "close other programs"]),
        (
            "stopped at once",
            ["round 4 of 32", "cheating", "as it was before training", "lower learning rate"],
        ),
        ("stopped by diversity", ["round 12 of 32", "cheating", "alike", "that of round 8", "gets further"]),
        ("stopped by judge", ["cheating", "second opinion did not agree", "ordinary ones"]),
        ("later diversity", ["that of round 8", "cheating", "alike"]),
    ],
)
def test_the_verdict_says_what_happened_and_what_to_do(name: str, said: list[str]) -> None:
    assert [part for part in said if part not in VERDICTS[name].sentence] == []


def test_nobody_is_said_to_cheat_without_higher_scores() -> None:
    for name in ("became worse", "worse later", "worse throughout", "stopped by jump", "jumps throughout"):
        assert "cheating" not in VERDICTS[name].sentence


def test_warnings_are_of_the_look_that_is_kept() -> None:
    assert warnings_of(RoundsTrace()) == []
    assert warnings_of(trace(looks(look(12, diversity=0.7)), 2)) == []
    (found,) = warnings_of(trace(looks(look(12, diversity=0.7))))
    assert "alike" in found
    (found,) = warnings_of(trace([look(0, lead=1.0)]))
    assert "Choose liked pictures" in found


def test_facts_name_how_it_was_trained_and_the_signs_of_what_is_kept() -> None:
    shown = replace(trace(looks(look(12, diversity=0.7)), 2), seconds={"making": 3.0, "learning": 1.0})
    text = "\n".join(facts(shown, RoundsTraining(rounds=12, anchor=0.0), LoraSettings()))
    said = ["12 of 12 rounds of 4 × 16", "no anchor", "Loss 1.000 at first", "After round 8: ", "variety 95%"]
    said += ["After round 12: ", "variety 70%", "Of the time: making 75%, learning 25%."]
    assert [part for part in said if part not in text] == []


def test_values_are_turned_to_fit_their_names() -> None:
    assert reading("forgetting", 1.25) == "80%"
    assert reading("diversity", 0.931) == "93%"
    assert reading("judge", 0.4) == "−0.40"
    assert (reading("lead", 0.2), reading("lead", 0.0)) == ("+0.20", "0")
    assert reading("jump", 1e-4) == "1.0%"
    assert [reading(sign, math.nan) for sign in SIGNS] == ["?"] * len(SIGNS)


@pytest.mark.parametrize("sign", SIGNS)
def test_what_is_drawn_beyond_a_limit_is_what_the_watch_minds(sign: Sign) -> None:
    limit = LIMITS[sign]
    warn, stop = displayed(sign, limit.warn), displayed(sign, limit.stop)
    beyond = limit.warn + 0.01 * (limit.stop - limit.warn)
    assert limit.warns(beyond)
    assert (displayed(sign, beyond) < warn) == (stop < warn)


def test_states_have_colours() -> None:
    limit = LIMITS["diversity"]
    values = (0.9, 0.7, 0.6, math.nan)
    assert [state_colour(1, value, limit) for value in values] == [PILL, WARNING, ALARM, ALARM]
    assert state_colour(0, 0.6, limit) == PILL


def test_a_plot_shows_the_limit_and_is_not_flattened_by_a_breakdown() -> None:
    def area_to(last: float) -> PlotArea:
        return PlotArea([Line([(0, 1.0), (4, last)], [PILL] * 2)], 8, 0, 1.0, (0.85, 0.7))

    healthy, broken = area_to(0.9), area_to(-50.0)
    for area in (healthy, broken):
        shares = [area.share(value) for value in (-50.0, 0.85, 0.9, 1.0)]
        assert shares == sorted(shares)
        assert 0 <= shares[1] < shares[3] <= 1
    assert broken.share(1.0) - broken.share(0.85) > 0.2


def test_there_is_a_plot_of_every_sign_that_is_known() -> None:
    assert shown_signs([]) == []
    assert shown_signs(looks()) == list(SIGNS)
    blind = [look(0, held_out=None, judge=None, prompts=None, lead=None)]
    assert shown_signs(blind) == ["diversity", "spread", "jump"]
    assert 0 == plots_height([], 768) < plots_height(blind, 768) < plots_height(looks(), 768)
    assert plots_height(looks()[:1], 768) == plots_height(looks(), 768)


@pytest.mark.parametrize("before", [[], PICTURES, PICTURES[:2]])
@pytest.mark.parametrize(
    "shown",
    [
        RoundsTrace(),
        trace([look(0)]),
        trace(looks()),
        trace(
            looks(look(12, reward=math.nan, judge=math.nan, spread=math.nan, contrast=math.inf)), 1, "spread"
        ),
    ],
)
def test_cards_show_whatever_there_is(before: list[Image.Image], shown: RoundsTrace) -> None:
    view = RoundsView(shown, 32, LIMITS, before, before[:1], 4)
    live = live_rounds_card(rounds_body(view), Stage("training", 3, 40, left="about 2 min left"))
    final = rounds_report_card(view, TITLES["nft"], VERDICTS["done"].sentence, warning=False)
    assert (live.width, final.width) == (768, 1536)
    pixels = np.asarray(live)
    reds = (pixels[..., 0] == 200) & (pixels[..., 2] == 0)
    assert bool(reds.any()) == bool(before)


def test_the_best_round_is_marked_in_gold_and_limits_passed_in_their_colours() -> None:
    def colours(*last: Look) -> set[tuple[int, int, int]]:
        body = rounds_body(RoundsView(trace(looks(*last), 1), 32))
        return {colour for _, colour in body.getcolors(1 << 24)}

    assert ACCENT in colours()
    assert not {WARNING, ALARM} & colours()
    assert {WARNING, ALARM} & colours(look(12, diversity=0.7)) == {WARNING}
    assert {WARNING, ALARM} & colours(look(12, diversity=0.6)) == {ALARM}


def test_everything_drawn_is_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, str] = {}

    def recorded(text: str) -> str:
        drawn[text] = translation.translated(text)
        return drawn[text]

    monkeypatch.setattr(fonts, "translated", recorded)
    monkeypatch.setattr(fonts, "_can_draw", lambda _: True)
    monkeypatch.setattr(translation, "_current", lambda: "zh")
    for sentence in (each.sentence for each in VERDICTS.values()):
        recorded(sentence)
    for rounds, best in ((0, 0), (1, 0), (4, 2)):
        view = RoundsView(trace(looks(), best), 32, LIMITS, PICTURES, PICTURES, rounds)
        for title in TITLES.values():
            rounds_report_card(view, title, "", warning=False, width=768)
    for stage in ("reading references", "making ordinary pictures", "training"):
        live_rounds_card(rounds_body(view), Stage(stage, 1, 2))
    assert "after 0 rounds" not in drawn
    left = {
        text
        for text, shown in drawn.items()
        if re.search("[A-Za-z]{2,}", re.sub("Save LoRA|LoRA|GRPO", "", shown))
    }
    assert left == set()
