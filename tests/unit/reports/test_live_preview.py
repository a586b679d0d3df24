from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageChops

from ganrm_core.reports import live_preview as module
from ganrm_core.reports.chart_style import NO_CHARTS
from ganrm_core.reports.live_preview import Stage, live_preview
from ganrm_core.reports.messages import curve_text
from ganrm_core.reports.training_curves import last_figures, training_curves
from ganrm_core.utils.progress import History

GOLD = (255, 196, 61)
HISTORY = History("epoch", (0.7, 0.5, 0.41), (0.6, 0.8, 0.87))


def gold(card: Image.Image) -> np.ndarray:
    return (np.asarray(card) == GOLD).all(axis=-1)


def same(first: Image.Image, second: Image.Image) -> bool:
    return first.size == second.size and ImageChops.difference(first, second).getbbox() is None


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that Pillow writes on the card."""
    found: list[str] = []
    write = module.write

    def recording(draw, place, text, *rest, **options):  # type: ignore[no-untyped-def]
        found.append(text)
        return write(draw, place, text, *rest, **options)

    monkeypatch.setattr(module, "write", recording)
    return found


@pytest.fixture(params=["missing", "broken"])
def no_matplotlib(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "missing":
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        return
    ordinary: Callable[..., object] = builtins.__import__

    def failing(name: str, *rest: object, **options: object) -> object:
        if name.startswith("matplotlib"):
            raise AttributeError("built for another numpy")
        return ordinary(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", failing)


def test_before_there_are_figures_the_card_says_what_is_going_on(written: list[str]) -> None:
    for history in (None, History("epoch")):
        written.clear()
        card = live_preview(history, Stage("reading pictures", 1340, 6000))
        assert card.size == (640, 400)
        assert card.mode == "RGB"
        assert written == ["Reading pictures", "1,340 of 6,000"]


def test_the_bar_is_as_long_as_what_is_done() -> None:
    widths = [gold(live_preview(None, Stage("s", done, 100))).any(axis=0).sum() for done in (0, 25, 50, 100)]
    assert widths[0] == 0
    assert widths[1:] == pytest.approx([148, 296, 592], abs=2)
    assert gold(live_preview(None, Stage("s", 900, 100))).any(axis=0).sum() == widths[3]


def test_an_unknown_total_shows_no_share(written: list[str]) -> None:
    assert not gold(live_preview(None, Stage("looking", 7, 0))).any()
    assert written == ["Looking", "7 so far"]


def test_one_point_is_written_and_two_are_drawn(written: list[str]) -> None:
    live_preview(History("epoch", (0.7,), (0.6,)), Stage("training", 1, 9))
    assert written[2:] == ["loss", "0.700", "AUC so far", "0.600"]
    cards = [
        live_preview(History("epoch", HISTORY.loss[:n], HISTORY.auc[:n]), Stage("training", 1, 9))
        for n in (2, 3)
    ]
    assert not same(*cards)
    # The golden line ends at the right, below the bar.
    assert gold(cards[1])[200:, 320:].any()


def test_curves_of_either_kind_alone_and_with_gaps() -> None:
    gaps = (0.5, math.nan, 0.5, math.inf)
    for loss, auc in ((gaps, ()), ((), gaps), (gaps, (1.0, 1.0)), ((math.nan,) * 3, (math.nan,) * 3)):
        card = live_preview(History("$step_", loss, auc), Stage("training", 1, 9))
        assert card.size == (640, 400)


def test_last_figures() -> None:
    assert last_figures(HISTORY) == [("loss", "0.410"), ("AUC so far", "0.870")]
    assert last_figures(History("epoch", (math.nan,))) == [("loss", "not known")]


@pytest.mark.usefixtures("no_matplotlib")
def test_without_matplotlib_the_figures_are_written(written: list[str]) -> None:
    card = live_preview(HISTORY, Stage("training", 3, 9))
    assert written[:2] == ["Training", "3 of 9"]
    assert written[2:] == ["loss", "0.410", "AUC so far", "0.870", NO_CHARTS]
    assert "matplotlib" in NO_CHARTS
    assert gold(card).any()


@pytest.mark.parametrize("size", [(640, 400), (400, 250), (1280, 400), (300, 900), (1, 1)])
@pytest.mark.parametrize("history", [None, HISTORY])
def test_any_size_with_letters_inside(size: tuple[int, int], history: History | None) -> None:
    card = live_preview(history, Stage("W" * 200, 123_456_789, 987_654_321), size=size)
    assert card.size == (max(160, size[0]), max(100, size[1]))
    pixels = np.asarray(card)
    edge = max(2, round(8 * min(card.width / 640, card.height / 400)))
    for border in (pixels[:, :edge], pixels[:, -edge:], pixels[:edge], pixels[-edge:]):
        assert (border == (38, 38, 40)).all()


def test_the_same_from_many_threads_and_under_another_style() -> None:
    matplotlib = pytest.importorskip("matplotlib")

    def draw(_: int) -> bytes:
        return live_preview(HISTORY, Stage("training", 3, 9)).tobytes()

    alone = draw(0)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(draw, range(8))) == {alone}
    style = {
        "font.size": 30,
        "text.color": "red",
        "axes.facecolor": "red",
        "lines.marker": "x",
        "grid.alpha": 0.1,
    }
    with matplotlib.rc_context(style):
        assert draw(0) == alone


def test_the_chart_has_the_size_asked_for() -> None:
    assert training_curves(HISTORY, size=(4, 2), dpi=100).size == (400, 200)


def test_the_bar_is_that_of_the_whole_and_the_time_left_stands_beside_it(written: list[str]) -> None:
    card = live_preview(None, Stage("fitting", 1, 2, 0.9, "about 2 min left"))
    assert written == ["Fitting", "1 of 2", "about 2 min left"]
    assert gold(card).any(axis=0).sum() == pytest.approx(0.9 * 592, abs=2)


@pytest.mark.parametrize("history", [None, HISTORY])
def test_what_was_stopped_says_so_and_its_bar_is_grey(history: History | None, written: list[str]) -> None:
    live_preview(history, Stage("reading pictures", 80, 120, 0.4, stopped="Cancelled"))
    assert written[:2] == ["Cancelled", "while reading pictures, 80 of 120"]
    written.clear()
    card = live_preview(None, Stage("", 0, 0, 0.0, stopped="Stopped by an error"))
    assert written == ["Stopped by an error"]
    assert not gold(card).any()


PATH = History("regularisation", (0.6, 0.4, 0.3, 0.5), (0.7, 0.91, 0.9, 0.8), choice=True)


def test_of_a_choice_the_lowest_loss_is_marked_and_named() -> None:
    assert PATH.chosen == 2
    assert History("epoch", PATH.loss).chosen is None
    assert History("regularisation", (math.nan,), choice=True).chosen is None
    assert last_figures(PATH) == [("loss", "0.300"), ("AUC so far", "0.900")]
    marked, plain = (
        np.asarray(training_curves(replace(PATH, choice=choice), size=(4, 2), dpi=100)).astype(int)
        for choice in (True, False)
    )
    assert (np.abs(marked - plain).max(axis=-1) > 60).sum() > 200
    moved = np.asarray(
        training_curves(replace(PATH, loss=(0.6, 0.2, 0.3, 0.5)), size=(4, 2), dpi=100)
    ).astype(int)
    assert (np.abs(marked - moved).max(axis=-1) > 60).sum() > 200


def test_only_where_there_are_steps_it_says_that_more_would_not_help() -> None:
    assert "more steps" in " ".join(curve_text(HISTORY)).replace("\n", " ")
    title, text = curve_text(PATH)
    assert title == "Regularisation chosen by held-out loss"
    assert "steps" not in text
