"""Names in lines."""

from __future__ import annotations

import pytest

from ganrm_core.reports.canvas import name_lines, text_width

SIZE = 20


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("length", [1, 5, 30, 300])
def test_a_name_keeps_both_its_ends(length: int, most: int) -> None:
    name = "a" + "m" * (length - 2) + "z" if length > 1 else "a"
    lines = name_lines(name, SIZE, 120, most)
    assert len(lines) <= most
    assert all(text_width(line, SIZE) <= 120 for line in lines)
    whole = "".join(lines)
    assert whole == name or (whole[0], whole[-1]) == ("a", "z")


def test_a_name_that_fits_is_whole() -> None:
    assert name_lines("two words", SIZE, 1000) == ["two words"]
    assert (
        "".join(name_lines("several_long_words_without_a_space", SIZE, 200))
        == "several_long_words_without_a_space"
    )
