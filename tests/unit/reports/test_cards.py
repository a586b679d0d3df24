"""Image report, compact card and live preview: what they say, and that it fits and can be read."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from unit_support.drawn import Written, colour_of, margins, where

from ganrm_core.metrics.binary import Interval
from ganrm_core.reports.canvas import ACCENT, PAGE, WARNING
from ganrm_core.reports.chart_style import NO_CHARTS
from ganrm_core.reports.compact_card import compact_card
from ganrm_core.reports.html_report import training_report
from ganrm_core.reports.image_report import image_report
from ganrm_core.reports.live_preview import Stage, live_preview
from ganrm_core.reports.report_data import ReportData
from ganrm_core.reports.tile_lengths import SHOWN_WIDTH
from ganrm_core.utils.progress import History

HISTORY = History("epoch", (0.7, 0.5, 0.41), (0.6, 0.8, 0.87))
LEAD = "Given a liked and an ordinary picture it had not seen, the model scores the liked one higher 90 times of 100."


@pytest.mark.usefixtures("quick_charts")
class TestImageReport:
    def test_it_says_what_the_page_says(self, evaluated: ReportData, written: Written) -> None:
        card = image_report(replace(evaluated, history=HISTORY))
        assert (card.mode, card.width) == ("RGB", 1400)
        report = training_report(evaluated)
        assert {"My taste", "0.938", "95% interval: 0.892 to 0.978", "Look out.", "1,200"} <= set(
            written.texts
        )
        said, facts = (
            " ".join(written.texts),
            [line for fact in report.facts for line in "\n".join(fact).split("\n")],
        )
        assert all(text in said for text in (report.lead, *facts))
        titles = [section.title for section in report.sections]
        assert [text for text in written.texts if text in titles] == titles[:6]
        assert "How the fit went" in written
        shown = [*range(8, 2, -1), *range(17, 11, -1), *range(6)]  # the most extreme first
        assert [text for text in written.texts if text.endswith(".png")] == [
            f"picture_{i:02}.png" for i in shown
        ]
        assert {colour_of(i) for i in shown} <= {c for _, c in card.getcolors(card.width * card.height) or []}

    def test_each_part_takes_the_room_it_needs(self, evaluated: ReportData) -> None:
        long = "a long sentence on what is the matter " * 12 + "/".join(["folder"] * 60)
        facts = [("W" * 90, long + "\n" + "W" * 90)]
        plain = image_report(evaluated)
        full = image_report(replace(evaluated, title=long, warnings=[long, "short"], facts=facts))
        assert full.height > plain.height + 600
        assert all((margin == PAGE).all() for margin in margins(full, 36, 36)), "texts wrap and never run off"

    def test_without_matplotlib_all_but_the_charts_is_there(
        self, evaluated: ReportData, written: Written, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = replace(evaluated, history=HISTORY)
        complete = set(written.of(image_report, data))
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        without = written.of(image_report, data)
        assert without.count(NO_CHARTS) == 1
        missing = complete - set(without)
        assert {"How the scores spread", "How the fit went"} <= missing
        assert not {"My taste", "0.938", "Liked, scored lowest", "picture_08.png"} & missing

    def test_what_is_missing_keeps_its_place_and_is_named(self, flawed: ReportData, written: Written) -> None:
        image_report(flawed)
        assert sum(text.startswith("No picture:") for text in written.texts) == 2
        assert {"gone.png", "not known"} <= set(written.texts)


class TestCompactCard:
    def test_every_letter_can_be_read(self, written: Written) -> None:
        backbone = "open_clip:ViT-L-14-quickgelu/dfn2b_s39b"
        facts = [("Keep from score", "0.49\nthe best balance"), ("Backbone", backbone)]
        card = compact_card("my_taste", LEAD, auc=Interval(0.9, 0.812, 0.951), facts=facts, warnings=["Few."])
        assert {"my_taste", "0.900", "0.812 to 0.951 (95%)", "0.49", "Few."} <= set(written.texts)
        assert LEAD in " ".join(written.texts)
        assert backbone in "".join(written.texts)
        assert min(size for _, size in written.lines) * SHOWN_WIDTH / card.width >= 12
        assert card.height <= 0.85 * card.width, "a high one would be shown small"

    def test_more_than_two_warnings_are_counted(self, written: Written) -> None:
        card = compact_card(f"a{'x' * 150}z", LEAD, warnings=[f"warning {number}" for number in range(5)])
        assert (written.texts[0][0], written.texts[1][-1]) == ("a", "z")
        assert written.texts[-3:] == ["warning 0", "warning 1", "3 more in the report."]
        assert where(card, WARNING).any()

    @pytest.mark.parametrize("value", [math.nan, 0.9])
    def test_what_is_not_known_is_not_drawn(self, value: float, written: Written) -> None:
        texts = written.of(compact_card, "my_taste", LEAD, auc=Interval(value, math.nan, math.nan))
        assert "nan" not in " ".join(texts)


class TestLivePreview:
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
    def test_without_curves_it_says_how_far_the_stage_is(
        self, history: History | None, stage: Stage, texts: list[str], length: int, written: Written
    ) -> None:
        card = live_preview(history, stage)
        assert (card.mode, card.size) == ("RGB", (640, 400))
        assert written.texts == texts
        assert where(card, ACCENT).any(axis=0).sum() == pytest.approx(length, abs=2), "the bar"

    def test_two_points_are_drawn(self) -> None:
        stage, fewer = Stage("training", 1, 9), History("epoch", HISTORY.loss[:2], HISTORY.auc[:2])
        card = live_preview(HISTORY, stage)
        assert card.tobytes() != live_preview(fewer, stage).tobytes()
        assert where(card, ACCENT)[200:, 320:].any(), "the line of the AUC ends at the right, below the bar"

    def test_where_matplotlib_is_broken_the_values_are_written(
        self, written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "matplotlib.py").write_text("raise AttributeError('built for another numpy')")
        monkeypatch.syspath_prepend(tmp_path)
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            monkeypatch.delitem(sys.modules, name)
        choice = History("regularisation", (0.6, 0.4, 0.3, math.nan), (0.7, 0.91, 0.9, 0.8), choice=True)
        for history, loss, auc in ((HISTORY, "0.410", "0.870"), (choice, "0.300", "0.900")):
            texts = written.of(live_preview, history, Stage("training", 3, 9))
            assert texts == ["Training", "3 of 9", "loss", loss, "AUC so far", auc, NO_CHARTS]
