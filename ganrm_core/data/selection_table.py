"""File names and table columns of a selection folder, by which it is recognised."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

TABLE, SHEET = "scores.csv", "contact_sheet.jpg"
COLUMNS = ("file", "group", "rank", "kept", "score", "logit", "uncertainty", "kept_as", "skipped")
"""Header row of the table."""
_KNOWN_BY = 8  # leading columns, the same in every version
_MOST_HEADER = 1000  # bytes of the header row


def is_selection(folder: Path) -> bool:
    """Whether `folder` holds a selection: its table has our header row, also when saved again by Excel."""
    try:
        with (folder / TABLE).open("rb") as file:
            header = file.readline(_MOST_HEADER).removeprefix(codecs.BOM_UTF8).strip()
    except OSError:
        return False
    names = re.split(rb"[,;\t]", header)[:_KNOWN_BY]
    return [name.strip(b'"').decode("ascii", "replace") for name in names] == list(COLUMNS[:_KNOWN_BY])
