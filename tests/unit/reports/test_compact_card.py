"""The card in a node: what is on it, and that it can be read at the size nodes show it."""

from __future__ import annotations

import math

import pytest
from unit_support.drawn import Written, where

from ganrm_core.metrics.binary import Interval
from ganrm_core.reports.canvas import WARNING
from ganrm_core.reports.compact_card import compact_card
from ganrm_core.reports.tile_lengths import SHOWN_WIDTH

LEAD = "Given a liked and an ordinary picture it had not seen, the model scores the liked one higher 90 times of 100."
BACKBONE = "open_clip:ViT-L-14-quickgelu/dfn2b_s39b"
FACTS = [("Keep from score", "0.49\nthe best balance"), ("Backbone", BACKBONE)]


def test_every_letter_can_be_read(written: Written) -> None:
    auc = Interval(0.9, 0.812, 0.951)
    card = compact_card("my_taste", LEAD, auc=auc, facts=FACTS, warnings=["Few pictures."])
    assert {"my_taste", "0.900", "0.812 to 0.951 (95%)", "0.49", "Few pictures."} <= set(written.texts)
    assert LEAD in " ".join(written.texts)
    assert BACKBONE in "".join(written.texts)
    assert min(size for _, size in written.lines) * SHOWN_WIDTH / card.width >= 12
    assert card.height <= 0.85 * card.width, "a high one would be shown small"


def test_more_than_two_warnings_are_counted(written: Written) -> None:
    card = compact_card(f"a{'x' * 150}z", LEAD, warnings=[f"warning {number}" for number in range(5)])
    assert (written.texts[0][0], written.texts[1][-1]) == ("a", "z")
    assert written.texts[-3:] == ["warning 0", "warning 1", "3 more in the report."]
    assert where(card, WARNING).any()


@pytest.mark.parametrize("auc", [Interval(math.nan, math.nan, math.nan), Interval(0.9, math.nan, math.nan)])
def test_what_is_not_known_is_not_drawn(auc: Interval, written: Written) -> None:
    assert "nan" not in " ".join(written.of(compact_card, "my_taste", LEAD, auc=auc))
