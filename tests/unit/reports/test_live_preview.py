from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from unit_support.drawn import Written, margins, where

from ganrm_core.reports.canvas import ACCENT, CARD
from ganrm_core.reports.chart_style import NO_CHARTS
from ganrm_core.reports.live_preview import Stage, live_preview
from ganrm_core.utils.progress import History

HISTORY = History("epoch", (0.7, 0.5, 0.41), (0.6, 0.8, 0.87))


def bar_length(card: Image.Image) -> int:
    return int(where(card, ACCENT).any(axis=0).sum())


@pytest.mark.parametrize(
    ("history", "stage", "texts", "length"),
    [
        (None, Stage("reading pictures", 1340, 6000), ["Reading pictures", "1,340 of 6,000"], 132),
        (History("epoch"), Stage("reading", 0, 9), ["Reading", "0 of 9"], 0),
        (None, Stage("looking", 7, 0), ["Looking", "7 so far"], 0),
        (None, Stage("s", 900, 100), ["S", "900 of 100"], 592),
        (None, Stage("fitting", 1, 2, 0.9, "in 2 min"), ["Fitting", "1 of 2", "in 2 min"], 533),
        (None, Stage("", 0, 0, 0.0, stopped="Stopped by an error"), ["Stopped by an error"], 0),
        (None, Stage("s", 8, 9, 0.4, stopped="Cancelled"), ["Cancelled", "while s, 8 of 9"], 0),
        (History("epoch", (0.7,)), Stage("s", 0, 9), ["S", "0 of 9", "loss", "0.700"], 0),
    ],
)
def test_without_curves_the_card_says_how_far_the_stage_is(
    history: History | None, stage: Stage, texts: list[str], length: int, written: Written
) -> None:
    card = live_preview(history, stage)
    assert (card.mode, card.size) == ("RGB", (640, 400))
    assert written.texts == texts
    assert bar_length(card) == pytest.approx(length, abs=2)


def test_two_points_are_drawn() -> None:
    cards = [
        live_preview(History("epoch", HISTORY.loss[:n], HISTORY.auc[:n]), Stage("training", 1, 9))
        for n in (2, 3)
    ]
    assert cards[0].tobytes() != cards[1].tobytes()
    assert where(cards[1], ACCENT)[200:, 320:].any(), "the line of the AUC ends at the right, below the bar"


def test_where_matplotlib_is_broken_the_values_are_written(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "matplotlib.py").write_text("raise AttributeError('built for another numpy')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    choice = History("regularisation", (0.6, 0.4, 0.3, math.nan), (0.7, 0.91, 0.9, 0.8), choice=True)
    for history, loss, auc in ((HISTORY, "0.410", "0.870"), (choice, "0.300", "0.900")):
        texts = written.of(live_preview, history, Stage("training", 3, 9))
        assert texts == ["Training", "3 of 9", "loss", loss, "AUC so far", auc, NO_CHARTS]


@pytest.mark.parametrize("size", [(640, 400), (300, 900), (1, 1)])
@pytest.mark.parametrize("history", [None, HISTORY])
def test_any_size_with_letters_inside(size: tuple[int, int], history: History | None) -> None:
    card = live_preview(history, Stage("W" * 200, 123_456_789, 987_654_321), size=size)
    assert card.size == (max(160, size[0]), max(100, size[1]))
    edge = max(2, round(8 * min(card.width / 640, card.height / 400)))
    assert all((np.asarray(margin) == CARD).all() for margin in margins(card, edge, edge))
