from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganrm_core.metrics.binary import Interval
from ganrm_core.metrics.summary import SummaryMetrics, measure
from ganrm_core.reports import canvas, evaluation_plots
from ganrm_core.reports import image_report as module
from ganrm_core.reports.chart_style import NO_CHARTS
from ganrm_core.reports.html_report import training_report
from ganrm_core.reports.image_report import image_report
from ganrm_core.utils.progress import History

PAGE = (24, 24, 25)
FIGURES = SummaryMetrics(
    auc=Interval(0.938, 0.892, 0.978),
    accuracy=Interval(0.89, 0.83, 0.95),
    threshold=0.52,
    ece=Interval(0.05, 0.03, 0.09),
    ece_bound=0.08,
)
HISTORY = History("epoch", (0.7, 0.5, 0.41), (0.6, 0.8, 0.87))
Pictures = tuple[list[Path], np.ndarray, np.ndarray]


def colour(index: int) -> tuple[int, int, int]:
    return 0, 100 + 6 * index, 250 - 6 * index


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    """9 liked pictures, then 9 ordinary ones, the better scored the later, each of a colour of its own."""
    paths = []
    for index in range(18):
        path = tmp_path / f"picture_{index:02}.png"
        Image.new("RGB", (64, 48), colour(index)).save(path)
        paths.append(path)
    scores = np.concatenate([np.linspace(0.35, 0.98, 9), np.linspace(0.02, 0.65, 9)])
    return paths, np.repeat([1, 0], 9), scores


@pytest.fixture(autouse=True)
def _small_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_plots, "_DPI", 40)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text on the card that no chart drew."""
    found: list[str] = []
    for name in ("write", "write_paragraph"):
        original = getattr(canvas, name)

        def recording(draw, place, text, *rest, original=original, **options):  # type: ignore[no-untyped-def]
            found.append(text)
            return original(draw, place, text, *rest, **options)

        monkeypatch.setattr(module, name, recording)
    return found


def card(pictures: Pictures, **more: object) -> Image.Image:
    paths, labels, scores = pictures
    arguments: dict[str, object] = {
        "title": "My taste",
        "thresholds": {"balanced": 0.5, "fpr_5": 0.66},
        "metrics": FIGURES,
        **more,
    }
    return image_report(scores=scores, labels=labels, paths=paths, **arguments)  # type: ignore[arg-type]


def test_the_card_says_what_the_page_says(pictures: Pictures, written: list[str]) -> None:
    paths, labels, scores = pictures
    more = {"counts": {"liked pictures": 1200}, "warnings": ["Look out."], "facts": [("Seed", "7")]}
    drawn = card(pictures, history=HISTORY, **more)
    assert drawn.mode == "RGB"
    assert drawn.width == 1400
    report = training_report(
        scores=scores,
        labels=labels,
        paths=paths,
        metrics=FIGURES,
        thresholds={"balanced": 0.5, "fpr_5": 0.66},
        **more,  # type: ignore[arg-type]
    )
    assert {"My taste", report.lead, "0.938", "95% interval: 0.892 to 0.978"} <= set(written)
    for name, value in report.facts:
        assert {name, *value.split("\n")} <= set(written)
    assert {"1,200", "Look out.", "7"} <= set(written)
    titles = [section.title for section in report.sections]
    assert [text for text in written if text in titles] == titles[:6]
    assert "How the fit went" in written


def test_examples_are_the_extremes_in_order(pictures: Pictures, written: list[str]) -> None:
    pixels = np.asarray(card(pictures))
    names = [text for text in written if text.endswith(".png")]
    expected = [*range(8, 2, -1), *range(17, 11, -1), *range(6)]
    assert names == [f"picture_{index:02}.png" for index in expected]
    for index in set(expected):
        assert (pixels == colour(index)).all(axis=-1).any()


def test_without_history_or_warnings_the_card_is_shorter(pictures: Pictures) -> None:
    plain = card(pictures).height
    assert card(pictures, history=HISTORY).height > plain + 200
    assert card(pictures, history=History("epoch", (0.5,), (0.6,))).height == plain
    assert card(pictures, warnings=["Look out."]).height > plain + 60


def test_long_words_wrap_and_never_run_off(pictures: Pictures) -> None:
    long = "a long sentence on what is the matter " * 12 + "/".join(["folder"] * 60)
    more = {"title": long, "warnings": [long, "short"], "facts": [("W" * 90, long + "\n" + "W" * 90)]}
    drawn = card(pictures, **more)
    assert drawn.height > card(pictures).height + 600
    pixels = np.asarray(drawn)
    for border in (pixels[:, :36], pixels[:, -36:], pixels[:36], pixels[-36:]):
        assert (border == PAGE).all()


def test_a_picture_that_has_gone_keeps_its_place_and_says_so(pictures: Pictures, written: list[str]) -> None:
    height = card(pictures).height
    written.clear()
    pictures[0][8].unlink()
    pictures[0][7].write_text("no picture")
    assert card(pictures).height == height
    assert "No picture: it is not there (any more)" in written
    assert sum(text.startswith("No picture") for text in written) == 2
    assert "picture_08.png" in written


def test_without_matplotlib_all_but_the_charts_is_there(
    pictures: Pictures, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = card(pictures, history=HISTORY)
    with_charts = set(written)
    written.clear()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert card(pictures, history=HISTORY).height < complete.height - 600
    assert written.count(NO_CHARTS) == 1
    missing = with_charts - set(written)
    assert {"How the scores spread", "How the fit went"} <= missing
    assert not {"My taste", "0.938", "Liked, scored lowest", "picture_08.png"} & missing


@pytest.mark.parametrize("case", ["all the same", "perfect", "wrong way round"])
def test_degenerate_scores(case: str, pictures: Pictures, written: list[str]) -> None:
    labels = np.array([1] * 5 + [0] * 5)
    scores = {
        "all the same": np.full(10, 0.5),
        "perfect": np.where(labels == 1, 0.9, 0.1),
        "wrong way round": np.where(labels == 1, 0.1, 0.9),
    }[case]
    metrics = measure(scores, labels, np.arange(10))
    card((pictures[0][:10], labels, scores), metrics=metrics, thresholds={})
    assert f"{metrics.auc.value:.3f}" in written


def test_figures_that_are_not_known_are_not_drawn_as_numbers(pictures: Pictures, written: list[str]) -> None:
    unknown = Interval(float("nan"), float("nan"), float("nan"))
    card(pictures, metrics=SummaryMetrics(unknown, unknown, 0.5, unknown, float("nan")))
    assert "not known" in written
    assert not any("nan" in text for text in written)


def test_what_does_not_run_parallel_is_refused(pictures: Pictures) -> None:
    paths, labels, scores = pictures
    with pytest.raises(ValueError, match="parallel"):
        card((paths[:3], labels, scores))
