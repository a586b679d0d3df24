"""The card in a node: what is on it, and that it can be read at the size nodes show it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ganrm_core.metrics.binary import Interval
from ganrm_core.reports import compact_card as module
from ganrm_core.reports.canvas import WARNING
from ganrm_core.reports.compact_card import compact_card

SHOWN = 420
LEAD = "Given a liked and an ordinary picture it had not seen, the model scores the liked one higher 90 times of 100."
FACTS = [
    ("Keep from score", "0.49\nthe best balance"),
    ("Backbone", "open_clip:ViT-L-14-quickgelu/dfn2b_s39b"),
]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What was written, and how high its letters are where the card is shown."""
    seen: list[tuple[str, int]] = []
    for name in ("write", "write_paragraph"):
        original = getattr(module, name)

        def recording(draw, place, text, size, *rest, original=original, **options):  # type: ignore[no-untyped-def]
            seen.append((text, size))
            return original(draw, place, text, size, *rest, **options)

        monkeypatch.setattr(module, name, recording)
    return seen


def test_every_letter_can_be_read(written: list[tuple[str, int]]) -> None:
    card = compact_card(
        "my_taste", LEAD, auc=Interval(0.9, 0.812, 0.951), facts=FACTS, warnings=["Few pictures."]
    )
    assert {"my_taste", "0.900", "0.812 to 0.951 (95%)", LEAD, "0.49", "Few pictures."} <= {
        text for text, _ in written
    }
    assert min(size for _, size in written) * SHOWN / card.width >= 12
    assert card.height <= 0.85 * card.width, "a high one would be shown small"


def test_names_are_whole(written: list[tuple[str, int]]) -> None:
    compact_card("x" * 300, LEAD, facts=FACTS)
    assert FACTS[1][1] in "".join(text for text, _ in written)


def test_more_warnings_are_counted(written: list[tuple[str, int]]) -> None:
    card = compact_card("my_taste", LEAD, warnings=[f"warning {number}" for number in range(5)])
    assert [text for text, _ in written][-3:] == ["warning 0", "warning 1", "3 more in the report."]
    assert (np.asarray(card) == WARNING).all(axis=-1).any()


@pytest.mark.parametrize("auc", [Interval(math.nan, math.nan, math.nan), Interval(0.9, math.nan, math.nan)])
def test_what_is_not_known_is_not_drawn(auc: Interval, written: list[tuple[str, int]]) -> None:
    compact_card("my_taste", LEAD, auc=auc)
    assert not any("nan" in text for text, _ in written)
