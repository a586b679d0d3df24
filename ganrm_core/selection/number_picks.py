"""Parser for number ranges as people type them: 1 4 7-9."""

from __future__ import annotations

import re

from ..utils.errors import DataError
from ..utils.files import shown

_MOST_DIGITS = 100
_EXAMPLE = "Type numbers such as 1 4 7-9, or all."
# With the commas and dashes of other keyboards.
_BETWEEN = re.compile(r"[\s,;，、；]+")
_DASH = re.compile(r"\s*[-–—~]\s*")


def picked_numbers(text: str, count: int) -> list[int]:
    """The positions, counted from 0 and ascending, of the numbers from 1 to `count` in `text`.

    Spaces and commas separate, 7-9 is 7 8 9, "all" is all of them, an empty text is none. Raises DataError for
    anything else.
    """
    if _is_all(text):
        return list(range(count))
    chosen: set[int] = set()
    for piece, first, last in _ranges(text):
        if first < 1 or last > count:
            raise DataError(_no_such(piece, count))
        chosen.update(range(first - 1, last))
    return sorted(chosen)


def check_numbers(text: str) -> None:
    """Raise DataError for a text that `picked_numbers` cannot read for any `count`."""
    if not _is_all(text):
        _ranges(text)


def _is_all(text: str) -> bool:
    return text.strip().casefold() == "all"


def _ranges(text: str) -> list[tuple[str, int, int]]:
    """Each piece of the text, with its first and last number."""
    found = []
    for piece in filter(None, _BETWEEN.split(_DASH.sub("-", text.strip()))):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", piece)
        if not match:
            raise DataError(f"{shown(piece)} is no number to pick. {_EXAMPLE}")
        # Python refuses to read thousands of digits.
        first, last = sorted(int(digits[:_MOST_DIGITS]) for digits in (match[1], match[2] or match[1]))
        found.append((piece, first, last))
    return found


def _no_such(piece: str, count: int) -> str:
    there = "is only image 1" if count == 1 else f"are {count} images, numbered 1 to {count}"
    return (
        f"There is no image {shown(piece)} to pick: there {there}. Correct the numbers, or leave pick empty."
    )
