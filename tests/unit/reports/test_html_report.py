"""The report page: self-contained, escaped, its pictures sound; and the charts in it."""

from __future__ import annotations

import base64
import io
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops

from ganrm_core.metrics.binary import Interval
from ganrm_core.metrics.summary import SummaryMetrics, measure
from ganrm_core.reports import evaluation_plots
from ganrm_core.reports.html_page import page
from ganrm_core.reports.html_report import Report, Section, Themed, training_report, write_report
from ganrm_core.utils.errors import OutputError

FIGURES = SummaryMetrics(
    auc=Interval(0.938, 0.892, 0.978),
    accuracy=Interval(0.89, 0.83, 0.95),
    threshold=0.52,
    ece=Interval(0.05, 0.03, 0.09),
    ece_bound=0.08,
)
VOID = {"meta", "img", "source", "br", "link", "input"}


class Page(HTMLParser):
    """Elements, their text and attributes; refuses what is not well nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data

    def pictures(self) -> list[Image.Image]:
        sources = [a["src"] for t, a in self.elements if t == "img"]
        sources += [a["srcset"] for t, a in self.elements if t == "source"]
        opened = []
        for source in sources:
            assert source is not None
            kind, data = source.split(";base64,")
            assert kind in ("data:image/png", "data:image/jpeg")
            picture = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
            picture.load()
            opened.append(picture)
        return opened


@pytest.fixture
def set_of_pictures(tmp_path: Path) -> tuple[list[Path], np.ndarray, np.ndarray]:
    """12 liked pictures, then 12 ordinary ones, with scores that mostly separate them."""
    rng = np.random.default_rng(0)
    paths = []
    for index in range(24):
        path = tmp_path / f"picture_{index:02}.png"
        noise = rng.integers(0, 256, (90, 130, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((1300, 900) if index == 0 else (65, 45)).save(path)
        paths.append(path)
    labels = np.repeat([1, 0], 12)
    scores = np.concatenate([np.linspace(0.35, 0.98, 12), np.linspace(0.02, 0.65, 12)])
    return paths, labels, scores


@pytest.fixture
def small_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the page around the charts."""
    monkeypatch.setattr(evaluation_plots, "_DPI", 40)


def build(paths: list[Path], labels: np.ndarray, scores: np.ndarray, **more: object) -> Report:
    arguments: dict[str, object] = {
        "thresholds": {"balanced": 0.5, "fpr_5": 0.66},
        "metrics": FIGURES,
        **more,
    }
    return training_report(scores=scores, labels=labels, paths=paths, **arguments)  # type: ignore[arg-type]


def test_the_page_is_one_sound_file_with_all_its_pictures(set_of_pictures, tmp_path: Path) -> None:
    paths, labels, scores = set_of_pictures
    out = tmp_path / "report.html"
    write_report(out, build(paths, labels, scores, counts={"liked pictures": 1200}, warnings=["Look out."]))
    text = out.read_text(encoding="utf-8")
    parsed = Page(text)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in parsed.elements}
    assert not re.search(r"(?i)https?:|//\w|url\(|@import", re.sub(r"base64,[\w+/=]+", "", text))
    assert "default-src 'none'" in str(parsed.elements)
    pictures = parsed.pictures()
    assert len(pictures) == 4 * 8 + 2 * 3  # four rows of examples; three charts, light and dark
    assert all(min(picture.size) >= 20 and max(picture.size) <= 2400 for picture in pictures)
    assert "0.938" in parsed.texts["p"]
    assert "95% interval: 0.892 to 0.978" in parsed.texts["p"]
    assert "1,200" in parsed.texts["dd"]
    assert parsed.texts["li"] == ["Look out."]


@pytest.mark.usefixtures("small_charts")
def test_examples_are_the_extremes_in_order(set_of_pictures) -> None:
    paths, labels, scores = set_of_pictures
    sections = {section.title: section for section in build(paths, labels, scores).sections}

    def shown(title: str) -> list[str]:
        return [caption.split("\n")[1] for _, caption in sections[title].images]

    assert shown("Liked, scored highest") == [f"picture_{i:02}.png" for i in range(11, 3, -1)]
    assert shown("Liked, scored lowest") == [f"picture_{i:02}.png" for i in range(8)]
    assert shown("Ordinary, scored highest") == [f"picture_{i:02}.png" for i in range(23, 15, -1)]
    assert shown("Ordinary, scored lowest") == [f"picture_{i:02}.png" for i in range(12, 20)]
    large, caption = sections["Liked, scored lowest"].images[0]
    assert caption.startswith("0.35\n")
    assert isinstance(large, Image.Image)
    assert large.size == (480, 332)  # 1300 × 900, reduced in proportion


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file names")
@pytest.mark.usefixtures("small_charts")
def test_hostile_file_names_stay_text(set_of_pictures, tmp_path: Path) -> None:
    paths, labels, scores = set_of_pictures
    names = [
        b"<script>alert(1)<.png",
        b'" onerror="alert(1)" x=\'.png',
        b"two\nlines &amp; more.png",
        b"not text \xff.png",
        "turned \u202e round.png".encode(),
        b"$\\frac{1}{$.png",
    ]
    for index, name in enumerate(names):
        renamed = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        paths[index].rename(renamed)
        paths[index] = renamed
    report = build(
        paths, labels, scores, warnings=[f"Skipped {path.name}" for path in paths[:6]], title=paths[0].name
    )
    out = tmp_path / "report.html"
    write_report(out, report)
    parsed = Page(out.read_text(encoding="utf-8"))
    assert "script" not in {tag for tag, _ in parsed.elements}
    assert {
        a for _, attributes in parsed.elements for a in attributes if a.startswith("on") or a == "x"
    } == set()
    captions = parsed.texts["span"]
    assert "<script>alert(1)<.png" in captions
    assert '" onerror="alert(1)" x=\'.png' in captions
    assert "two\\nlines &amp; more.png" in captions
    assert "not text \\udcff.png" in captions
    assert "turned \\u202e round.png" in captions
    assert parsed.texts["h1"] == ["<script>alert(1)<.png"]
    assert len(parsed.texts["li"]) == 6


@pytest.mark.usefixtures("small_charts")
def test_a_picture_that_has_gone_keeps_its_place_and_says_so(set_of_pictures) -> None:
    paths, labels, scores = set_of_pictures
    paths[11].unlink()
    section = next(s for s in build(paths, labels, scores).sections if s.title == "Liked, scored highest")
    assert section.images[0][1] == "0.98\npicture_11.png\nNo picture: it is not there (any more)"
    assert len(section.images) == 8


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("precious")
    with pytest.raises(OutputError, match="already exists"):
        write_report(out, Report("t", "l", [], []))
    assert out.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("case", ["all the same", "perfect", "wrong way round", "saturated"])
@pytest.mark.usefixtures("small_charts")
def test_degenerate_scores_of_ten_pictures(case: str, set_of_pictures, tmp_path: Path) -> None:
    paths, _, _ = set_of_pictures
    labels = np.array([1] * 5 + [0] * 5)
    scores = {
        "all the same": np.full(10, 0.5),
        "perfect": np.where(labels == 1, 0.9, 0.1),
        "wrong way round": np.where(labels == 1, 0.1, 0.9),
        "saturated": labels.astype(float),
    }[case]
    metrics = measure(scores, labels, np.arange(10))
    report = build(paths[:10], labels, scores, metrics=metrics, thresholds={"balanced": metrics.threshold})
    write_report(tmp_path / "report.html", report)
    parsed = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert f"{metrics.auc.value:.3f}" in parsed.texts["p"]
    assert len(parsed.pictures()) == 4 * 5 + 2 * 3
    assert ("coin toss" in report.lead) == (metrics.auc.low <= 0.5)


@pytest.mark.usefixtures("small_charts")
def test_figures_that_are_not_known_are_not_drawn_as_numbers(set_of_pictures) -> None:
    paths, labels, scores = set_of_pictures
    unknown = Interval(float("nan"), float("nan"), float("nan"))
    report = build(
        paths, labels, scores, metrics=SummaryMetrics(unknown, unknown, 0.5, unknown, float("nan"))
    )
    text = page(report)
    assert "not known" in Page(text).texts["p"]
    assert "nan" not in re.sub(r"base64,[\w+/=]+", "", text)


def test_own_sections_with_a_table_and_pictures_of_every_mode() -> None:
    pictures = [Image.new(mode, (20, 10)) for mode in ("RGB", "RGBA", "L", "P", "CMYK", "1")]
    gradient = Image.merge(
        "RGB", [Image.radial_gradient("L"), Image.linear_gradient("L"), Image.linear_gradient("L")]
    )
    section = Section(
        "Best of 8",
        "Each row is one prompt.",
        [*((picture, picture.mode) for picture in pictures), (Themed(gradient, gradient), "first\nsecond")],
        table=[["kind", "efficiency"], ["<halo>", "0.92"]],
    )
    parsed = Page(page(Report("title", "lead", [("name", "value\nmore")], [section])))
    assert len(parsed.pictures()) == 8
    assert {picture.format for picture in parsed.pictures()} == {"PNG", "JPEG"}
    assert parsed.texts["th"] == ["kind", "efficiency"]
    assert parsed.texts["td"] == ["<halo>", "0.92"]
    assert parsed.texts["dd"] == ["value", "more"]


def test_charts_show_the_data_in_either_theme() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], 50)
    good = np.clip(labels * 0.5 + rng.random(100) * 0.5, 0, 1)
    poor = rng.random(100)
    for theme in (evaluation_plots.LIGHT, evaluation_plots.DARK):
        drawn = [
            [
                evaluation_plots.roc_plot(scores, labels, FIGURES, theme),
                evaluation_plots.score_histograms(scores, labels, {"balanced": 0.5}, theme),
                evaluation_plots.calibration_plot(scores, labels, 0.05, 0.08, theme),
            ]
            for scores in (good, poor)
        ]
        for first, second in zip(*drawn, strict=True):
            assert first.mode == "RGB"
            assert first.size == second.size
            assert min(first.size) >= 800
            assert "#{:02x}{:02x}{:02x}".format(*first.getpixel((0, 0))) == theme.surface  # type: ignore[misc]
            assert ImageChops.difference(first, second).getbbox() is not None


def test_the_efficiency_chart_takes_any_value_and_name() -> None:
    chart = evaluation_plots.efficiency_chart(
        {"halo": 0.9, "together": Interval(0.8, 0.7, 0.9), "$\\bad": float("nan"), "x" * 200: -0.3}
    )
    assert chart.width == evaluation_plots.efficiency_chart({"halo": 0.9}).width
    assert chart.height > evaluation_plots.efficiency_chart({"halo": 0.9}).height
    with pytest.raises(ValueError, match="at least one"):
        evaluation_plots.efficiency_chart({})


def test_charts_need_scores_and_labels_of_one_length() -> None:
    with pytest.raises(ValueError, match="one length"):
        evaluation_plots.score_histograms([0.1, 0.2], [1], {})


def test_charts_are_the_same_from_many_threads_and_under_another_style() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    scores, labels = np.linspace(0, 1, 40), np.tile([0, 1], 20)

    def draw(_: int) -> bytes:
        return evaluation_plots.score_histograms(scores, labels, {"balanced": 0.5}).tobytes()

    alone = draw(0)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(draw, range(8))) == {alone}
    style = {
        "axes.facecolor": "red",
        "grid.color": "lime",
        "font.size": 30,
        "text.color": "red",
        "font.family": "serif",
    }
    with matplotlib.rc_context(style):
        assert draw(0) == alone


def test_thresholds_in_words() -> None:
    assert evaluation_plots.threshold_purpose("balanced") == "the best balance"
    assert evaluation_plots.threshold_purpose("fpr_5") == "at most 5 in 100 ordinary pass"
    assert evaluation_plots.threshold_purpose("fpr_x") == "fpr_x"
