"""The picture report of a comparison: everything is readable, the winner is framed, bad signs have a colour."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from PIL import Image
from unit_support.drawn import Written, box_of, colour_of, where

from ganrm_core.metrics.binary import Interval
from ganrm_core.post_training.comparison import UNKNOWN, Change, Comparison, Verdict, verdict
from ganrm_core.post_training.comparison_sheet import ComparedPair, comparison_sheet, figures, pair_legend
from ganrm_core.reports.canvas import ACCENT, WARNING

GOOD = Comparison(
    pairs=64,
    prompts=8,
    wins=Interval(0.7, 0.6, 0.8),
    reward=Change(0.41, 0.62, Interval(0.5, 0.3, 0.7)),
    judge=Change(0.4, 0.4, Interval(0.0, -0.1, 0.1)),
    diversity=0.95,
    prompt_kept=Interval(0.97, 0.9, 1.1),
)
BAD = replace(
    GOOD,
    wins=Interval(0.3, 0.2, 0.4),
    reward=Change(0.6, 0.4, Interval(-0.5, -0.7, -0.3)),
    judge=Change(0.6, 0.4, Interval(-0.5, -0.7, -0.3)),
    diversity=0.5,
    prompt_kept=Interval(0.5, 0.4, 0.6),
)


def pairs(count: int, size: tuple[int, int] = (64, 64)) -> list[ComparedPair]:
    """Those with even numbers were won after, the others before."""
    return [
        ComparedPair(
            Image.new("RGB", size, colour_of(2 * number)),
            Image.new("RGB", size, colour_of(2 * number + 1)),
            (0.3, 0.4),
            1.0 if number % 2 == 0 else -1.0,
            f"prompt {number}",
        )
        for number in range(count)
    ]


def sheet(comparison: Comparison, count: int = 8, size: tuple[int, int] = (64, 64)) -> Image.Image:
    return comparison_sheet(
        pairs(count, size), verdict(comparison), figures(comparison), legend=pair_legend(count, 64)
    )


@pytest.mark.parametrize("count", [0, 1, 3, 8])
@pytest.mark.parametrize("size", [(64, 64), (300, 40), (40, 300)])
def test_every_picture_is_there_and_never_covered(count: int, size: tuple[int, int]) -> None:
    drawn = sheet(GOOD, count, size)
    for number in range(2 * count):
        left, top, right, bottom = box_of(drawn, colour_of(number))
        assert (right - left) / (bottom - top) == pytest.approx(size[0] / size[1], rel=0.1)


def test_the_winner_is_framed_in_gold() -> None:
    drawn = sheet(GOOD, 2, (300, 300))
    gold = where(drawn, ACCENT)
    for number in range(4):
        left, top, right, bottom = box_of(drawn, colour_of(number))
        row = gold[(top + bottom) // 2]
        assert row[left - 20 : left].any() == row[right : right + 20].any() == (number in (1, 2)), number


def test_a_bad_sign_has_its_colour_and_a_good_verdict_none() -> None:
    assert not where(sheet(GOOD, 0), WARNING).any()
    assert where(sheet(GOOD, 0), ACCENT).any()
    assert where(sheet(BAD, 0), WARNING).any()
    assert not where(sheet(BAD, 0), ACCENT).any()
    assert [line.bad for line in figures(GOOD)] == [False] * 5
    assert [line.bad for line in figures(BAD)] == [True] * 5


def test_every_word_is_written_whole(written: Written) -> None:
    texts = written.of(sheet, GOOD)
    text = " ".join(texts)
    assert verdict(GOOD).sentence in text
    assert pair_legend(8, 64) in text
    for line in figures(GOOD):
        assert {line.name, line.value.replace("−", "-"), line.note.replace("−", "-")} <= {
            each.replace("−", "-") for each in texts
        }
    assert texts.count("before") == texts.count("after") == 8


def test_a_long_verdict_makes_room_for_itself() -> None:
    long = Verdict(False, "Do not keep this LoRA: " + "something speaks against it; " * 20)
    short = comparison_sheet(pairs(1), verdict(GOOD), figures(GOOD), legend="")
    assert comparison_sheet(pairs(1), long, figures(GOOD), legend="").height > short.height + 300


def test_what_is_not_known_is_said() -> None:
    unknown = replace(
        GOOD,
        judge=None,
        diversity=math.nan,
        prompt_kept=UNKNOWN,
        reward=Change(math.nan, math.nan, Interval(math.nan, -math.inf, math.inf)),
        wins=Interval(math.nan, 0.0, 1.0),
    )
    lines = {line.name: line.value for line in figures(unknown)}
    assert lines == {
        "Wins": "?",
        "Reward": "?, before ?",
        "Diversity": "not measured",
        "Prompt kept": "not measured",
    }
    assert sheet(unknown, 0)
