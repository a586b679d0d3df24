"""The report page: self-contained, escaped, its pictures sound."""

from __future__ import annotations

import base64
import io
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from ganrm_core.metrics.binary import Interval
from ganrm_core.reports.html_page import Report, Section, Themed, page
from ganrm_core.reports.html_report import check_report_packages, training_report, write_report
from ganrm_core.reports.messages import lead
from ganrm_core.reports.report_data import ReportData
from ganrm_core.utils.errors import OutputError

pytestmark = pytest.mark.usefixtures("quick_charts")


class Page(HTMLParser):
    """Elements, their text and attributes; refuses what is not well nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.without_pictures = re.sub(r"base64,[\w+/=]+", "", text)
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data

    def pictures(self) -> list[Image.Image]:
        sources = [a.get("src") or a["srcset"] for tag, a in self.elements if tag in ("img", "source")]
        data = [str(source).removeprefix("data:image/").partition(";base64,")[2] for source in sources]
        return [Image.open(io.BytesIO(base64.b64decode(each, validate=True))) for each in data]


def test_the_page_is_one_sound_file_with_all_its_pictures(evaluated: ReportData, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", training_report(evaluated))
    parsed = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in parsed.elements}
    assert not re.search(r"(?i)https?:|//\w|url\(|@import", parsed.without_pictures)
    assert "default-src 'none'" in str(parsed.elements)
    pictures = parsed.pictures()
    assert len(pictures) == 4 * 8 + 2 * 3  # four rows of examples; three charts, light and dark
    assert sum(picture.size == (480, 360) for picture in pictures) == 1  # of 640 × 480
    assert {"0.938", "95% interval: 0.892 to 0.978"} <= set(parsed.texts["p"])
    assert {"1,200", "7"} <= set(parsed.texts["dd"])
    assert parsed.texts["li"] == ["Look out."]
    low, value = re.findall(r"left:([\d.]+)%", parsed.without_pictures)
    assert (low, value) == ("78.4", "87.6")  # of the scale from 0.5 to 1


def test_hostile_file_names_stay_text(evaluated: ReportData) -> None:
    names = {
        "<script>alert(1)<.png": "<script>alert(1)<.png",
        '" onerror="alert(1)" x=\'.png': '" onerror="alert(1)" x=\'.png',
        "two\nlines &amp; more.png": "two\\nlines &amp; more.png",
        "not text \udcff.png": "not text \\udcff.png",
        "turned \u202e round.png": "turned \\u202e round.png",
        "{{ 7 * 7 }}.png": "{{ 7 * 7 }}.png",
    }
    paths = [*map(Path, names), *evaluated.paths[len(names) :]]
    hostile = replace(evaluated, paths=paths, title=paths[0].name, warnings=[path.name for path in paths[:6]])
    parsed = Page(page(training_report(hostile)))
    assert "script" not in parsed.texts
    attributes = {name for _, found in parsed.elements for name in found}
    assert not [name for name in attributes if name.startswith("on") or name == "x"]
    assert set(names.values()) <= set(parsed.texts["span"])
    assert parsed.texts["h1"] == ["<script>alert(1)<.png"]
    assert len(parsed.texts["li"]) == 6


def test_what_is_missing_keeps_its_place_and_is_named(flawed: ReportData) -> None:
    report = training_report(flawed)
    captions = [caption for _, caption in report.sections[3].images]
    assert captions[0] == "0.98\ngone.png\nNo picture: it is not there (any more)"
    assert "No picture" in captions[1]
    assert len(captions) == 8
    with pytest.raises(ValueError, match="18 scores, 18 labels and 3 paths"):
        replace(flawed, paths=flawed.paths[:3])
    parsed = Page(page(report))
    assert "not known" in parsed.texts["p"]
    assert "nan" not in parsed.without_pictures


def test_an_existing_file_is_never_replaced(tmp_path: Path) -> None:
    out, report = tmp_path / "report.html", Report("t", "l", [], [])
    out.write_text("precious")
    with pytest.raises(OutputError, match="already exists"):
        write_report(out, report)
    assert list(tmp_path.iterdir()) == [out]
    assert write_report(out, report, numbered=True) == tmp_path / "report (2).html"
    assert out.read_text() == "precious"


def test_own_sections_with_a_table_and_pictures_of_every_mode() -> None:
    pictures = [Image.new(mode, (20, 10)) for mode in ("RGB", "RGBA", "L", "P", "CMYK", "1")]
    gradient = Image.merge("RGB", [Image.radial_gradient("L"), *[Image.linear_gradient("L")] * 2])
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
    assert parsed.texts["b"] == ["first"]
    assert sum(found.get("class") == "broad" for _, found in parsed.elements) == 6


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_a_missing_package_is_named_beforehand(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_report_packages()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OutputError, match=f"pip install {package}, or leave out --report"):
        check_report_packages()


@pytest.mark.parametrize(
    ("auc", "said"),
    [
        (Interval(0.9999, 0.99, 1.0), "99 times out of 100. That is a sharp eye"),
        (Interval(0.85, 0.7, 0.9), "85 times out of 100. That is a good eye"),
        (Interval(0.72, 0.6, 0.8), "That is a fair eye"),
        (Interval(0.6, 0.51, 0.7), "only a weak eye"),
        (Interval(0.8, 0.5, 0.99), "not safely better than a coin toss"),
        (Interval(float("nan"), float("nan"), float("nan")), "too few pictures to say"),
    ],
)
def test_the_lead_says_what_the_auc_means(auc: Interval, said: str, evaluated: ReportData) -> None:
    assert said in lead(replace(evaluated.metrics, auc=auc))
