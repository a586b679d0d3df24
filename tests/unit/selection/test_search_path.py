"""The record of a search's winner."""

from __future__ import annotations

import pytest

from ganrm_core.selection.search_path import SearchPath, check_path, parse_path
from ganrm_core.utils.errors import DataError


def test_a_path_is_read_as_it_was_written() -> None:
    path = SearchPath(5).forked(2**64 - 1, 8, 4).forked(31, 12, 12)
    assert str(path) == f"5 > {2**64 - 1} after 8 from 4 > 31 after 12 from 12"
    for each in (path, SearchPath(0)):
        assert parse_path(f" {each} ") == each


@pytest.mark.parametrize("text", ["", "x", "-1", "5 >", "5 > 23", "5 > 23 after 8", "5, 23 after 8 from 4"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        parse_path(text)


@pytest.mark.parametrize(
    "text",
    [
        "5 > 23 after 4 from 8",
        "5 > 2 after 4 from 0",
        "5 > 2 after 8 from 6 > 3 after 6 from 4",
    ],
)
def test_paths_that_no_search_takes_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="contradicts"):
        parse_path(text)


def test_seeds_and_steps_must_fit() -> None:
    with pytest.raises(DataError, match="2\\^64"):
        parse_path(str(2**64))
    check_path(parse_path("5 > 2 after 8 from 4"), 8)
    for text in ("5 > 2 after 9 from 4", "5 > 2 after 8 from 8"):
        with pytest.raises(DataError, match="have 8"):
            check_path(parse_path(text), 8)
