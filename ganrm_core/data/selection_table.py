"""File names and table columns of folders of results, by which they are recognised."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

TABLE, SHEET = "scores.csv", "contact_sheet.jpg"
COLUMNS = ("file", "group", "rank", "kept", "score", "logit", "uncertainty", "kept_as", "skipped")
"""Header row of the table."""
MOVED = "moved.csv"
MOVED_COLUMNS = ("moved_from", "moved_to", "group", "score")
"""Name and header row of the list of files that were moved away, in the folder they were moved to."""
_KNOWN_BY = {TABLE: COLUMNS[:8], MOVED: MOVED_COLUMNS}  # leading columns, the same in every version
_MOST_HEADER = 1000  # bytes of the header row


def is_selection(folder: Path) -> bool:
    """Whether `folder` holds a selection, or what was left of one."""
    return any(has_header(folder / name, columns) for name, columns in _KNOWN_BY.items())


def has_header(table: Path, columns: Sequence[str]) -> bool:
    """Whether a table begins with our header row, also when saved again by Excel."""
    try:
        with table.open("rb") as file:
            header = file.readline(_MOST_HEADER).removeprefix(codecs.BOM_UTF8).strip()
    except OSError:
        return False
    names = re.split(rb"[,;\t]", header)[: len(columns)]
    return [name.strip(b'"').decode("ascii", "replace") for name in names] == list(columns)
