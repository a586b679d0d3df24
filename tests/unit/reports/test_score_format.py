"""One way of writing a score, everywhere people read one."""

from __future__ import annotations

import math

import pytest

from ganrm_core.reports.score_format import score_text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00"), (0.634, "0.63"), (0.999, "1.00"), (1.0, "1.00"), (-12.3456, "−12.35"), (math.nan, "?")],
)
def test_a_score_is_written_as_it_is_typed(value: float, text: str) -> None:
    assert score_text(value) == text
