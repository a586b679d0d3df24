"""Number ranges as people type them."""

from __future__ import annotations

import pytest

from ganrm_core.selection.number_picks import picked_numbers
from ganrm_core.utils.errors import DataError


def test_number_ranges() -> None:
    for text, positions in {
        "   ": [],
        "3": [2],
        "1 4 7-9": [0, 3, 6, 7, 8],
        "9,1, 4": [0, 3, 8],
        "1, 2;3\n4": [0, 1, 2, 3],
        "2 2 1-3": [0, 1, 2],
        "3-1": [0, 1, 2],
        "1 – 3": [0, 1, 2],
        "1、3，5": [0, 2, 4],
        "１　３": [0, 2],
        "02": [1],
        " All ": list(range(9)),
    }.items():
        assert picked_numbers(text, 9) == positions


def test_other_texts() -> None:
    for text in ("7-", "-7", "1-2-3", "one", "1 all", "1.5", "#1", "²", "1--2"):
        with pytest.raises(DataError, match=r"is no number to pick. Type numbers such as 1 4 7-9, or all"):
            picked_numbers(text, 9)


@pytest.mark.parametrize("text", ["0", "10", "8-10", "0-2", "1-999999999", "9" * 5000])
def test_out_of_range_says_how_many_there_are(text: str) -> None:
    with pytest.raises(DataError, match="there are 9 images, numbered 1 to 9"):
        picked_numbers(text, 9)
    with pytest.raises(DataError, match="there is only image 1"):
        picked_numbers(text.replace("0-2", "2"), 1)
