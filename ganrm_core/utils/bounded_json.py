"""Reading JSON files that somebody else made, in bounded memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MOST_BYTES = 8_000_000
"""Parsed, JSON takes up to about 25 times its length."""


def read_json_file(path: Path, most_bytes: int = MOST_BYTES) -> Any:
    """Content of a JSON file in UTF-8. Raises OSError, and ValueError for what is too large, too deep or no JSON."""
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"it is larger than {most_bytes / 1e6:g} MB")
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
