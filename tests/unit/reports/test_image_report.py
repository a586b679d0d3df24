from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from unit_support.drawn import Written, colour_of, margins

from ganrm_core.reports.canvas import PAGE
from ganrm_core.reports.chart_style import NO_CHARTS
from ganrm_core.reports.html_report import training_report
from ganrm_core.reports.image_report import image_report
from ganrm_core.reports.report_data import ReportData
from ganrm_core.utils.progress import History

HISTORY = History("epoch", (0.7, 0.5, 0.41), (0.6, 0.8, 0.87))
pytestmark = pytest.mark.usefixtures("quick_charts")


def test_the_card_says_what_the_page_says(evaluated: ReportData, written: Written) -> None:
    card = image_report(replace(evaluated, history=HISTORY))
    assert (card.mode, card.width) == ("RGB", 1400)
    report = training_report(evaluated)
    assert {"My taste", "0.938", "95% interval: 0.892 to 0.978", "Look out.", "1,200", "7"} <= set(
        written.texts
    )
    said = " ".join(written.texts)
    for text in (report.lead, *(line for fact in report.facts for part in fact for line in part.split("\n"))):
        assert text in said
    titles = [section.title for section in report.sections]
    assert [text for text in written.texts if text in titles] == titles[:6]
    assert "How the fit went" in written
    expected = [*range(8, 2, -1), *range(17, 11, -1), *range(6)]
    assert [text for text in written.texts if text.endswith(".png")] == [
        f"picture_{i:02}.png" for i in expected
    ]
    drawn = {colour for _, colour in card.getcolors(card.width * card.height) or []}
    assert {colour_of(index) for index in expected} <= drawn


def test_each_part_takes_room_where_there_is_something_to_show(evaluated: ReportData) -> None:
    height = image_report(evaluated).height
    assert image_report(replace(evaluated, history=HISTORY)).height > height + 200
    assert image_report(replace(evaluated, history=History("epoch", (0.5,), (0.6,)))).height == height
    assert image_report(replace(evaluated, warnings=[])).height < height - 60


def test_long_texts_wrap_and_never_run_off(evaluated: ReportData) -> None:
    long = "a long sentence on what is the matter " * 12 + "/".join(["folder"] * 60)
    facts = [("W" * 90, long + "\n" + "W" * 90)]
    card = image_report(replace(evaluated, title=long, warnings=[long, "short"], facts=facts))
    assert card.height > image_report(evaluated).height + 600
    assert all((margin == PAGE).all() for margin in margins(card, 36, 36))


def test_a_picture_that_has_gone_keeps_its_place_and_says_so(
    evaluated: ReportData, unreadable: ReportData, written: Written
) -> None:
    height = image_report(evaluated).height
    written.lines.clear()
    assert image_report(unreadable).height == height
    assert sum(text.startswith("No picture:") for text in written.texts) == 2
    assert "gone.png" in written


def test_without_matplotlib_all_but_the_charts_is_there(
    evaluated: ReportData, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = replace(evaluated, history=HISTORY)
    complete = set(written.of(image_report, data))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    without = written.of(image_report, data)
    assert without.count(NO_CHARTS) == 1
    missing = complete - set(without)
    assert {"How the scores spread", "How the fit went"} <= missing
    assert not {"My taste", "0.938", "Liked, scored lowest", "picture_08.png"} & missing


def test_metrics_that_are_not_known_are_not_written_as_numbers(
    unmeasured: ReportData, written: Written
) -> None:
    image_report(unmeasured)
    assert "not known" in written
    assert not any("nan" in text for text in written.texts)
