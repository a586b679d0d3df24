"""File names and columns of a placed selection, by which its folder is recognised."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

TABLE, SHEET = "scores.csv", "contact_sheet.jpg"
COLUMNS = ("file", "group", "rank", "kept", "score", "logit", "uncertainty", "kept_as", "skipped")
"""The head of the table."""
_KNOWN_BY = 8  # columns, which every version has written
_MOST_HEAD = 1000  # bytes of the table's first line


def is_selection(folder: Path) -> bool:
    """Whether a selection was placed into `folder`, contact sheet and all; a table saved again by Excel counts."""
    try:
        with (folder / TABLE).open("rb") as file:
            head = file.readline(_MOST_HEAD).removeprefix(codecs.BOM_UTF8).strip()
    except OSError:
        return False
    names = re.split(rb"[,;\t]", head)[:_KNOWN_BY]
    return [name.strip(b'"').decode("ascii", "replace") for name in names] == list(COLUMNS[:_KNOWN_BY])
