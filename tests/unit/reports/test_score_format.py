"""One way of writing a score, everywhere people read one."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from ganrm_core.reports.score_format import score_text

ROOT = Path(__file__).parents[3]
READ = sorted([*ROOT.glob("nodes/web/docs/**/*.md"), *ROOT.glob("locales/**/*.json")])
SOURCES = sorted([*ROOT.glob("ganrm_core/**/*.py"), *ROOT.glob("nodes/**/*.py")])
_FORMATTED_BY_HAND = re.compile(r"(score|threshold)[\w.\[\]']*(\.value)?:\.\df")
_FILES = {
    "score.py": "a table of figures, to four digits",
    "folder_scoring.py": "a CSV file",
    "folder_selection.py": "the same",
}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00"), (0.634, "0.63"), (0.999, "1.00"), (1.0, "1.00"), (-12.3456, "−12.35"), (math.nan, "?")],
)
def test_a_score_is_written_as_it_is_typed(value: float, text: str) -> None:
    assert score_text(value) == text


@pytest.mark.parametrize("path", READ, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_people_read_beside_the_nodes_writes_scores_so(path: Path) -> None:
    assert not re.findall(r"(?<![\d.\w])\.\d\d?\b", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_formats_a_score_by_itself(path: Path) -> None:
    if path.name not in _FILES:
        assert not _FORMATTED_BY_HAND.findall(path.read_text(encoding="utf-8"))
