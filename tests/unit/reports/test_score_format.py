"""One way of writing a score, everywhere people read one."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from ganrm_core.reports.score_format import score_text

ROOT = Path(__file__).parents[3]
TABLES = {"ganrm_core/cli/score.py", "nodes/scoring/score_folder.py"}  # to more digits


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00"), (0.634, "0.63"), (0.999, "1.00"), (1.0, "1.00"), (-12.3456, "−12.35"), (math.nan, "?")],
)
def test_a_score_is_written_as_it_is_typed(value: float, text: str) -> None:
    assert score_text(value) == text


def files_with(pattern: str, *globs: str) -> set[str]:
    paths = [path for glob in globs for path in ROOT.glob(glob)]
    return {
        p.relative_to(ROOT).as_posix() for p in paths if re.search(pattern, p.read_text(encoding="utf-8"))
    }


def test_no_file_writes_a_score_in_another_way() -> None:
    by_hand = r"(score|threshold)[\w.\[\]']*(\.value)?:\.\df"
    assert files_with(by_hand, "ganrm_core/**/*.py", "nodes/**/*.py") == TABLES
    assert files_with(r"(?<![\d.\w])\.\d\d?\b", "nodes/web/docs/**/*.md", "locales/**/*.json") == set()
