"""What errors of Python and of other libraries become inside a message of ours."""

from __future__ import annotations

import pytest

from ganrm_core.utils.error_text import damage, printable, reason, shortened


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("Error in loading:\n\tsize mismatch"), "Error in loading:"),
        (ValueError("ends with a full stop."), "ends with a full stop"),
        (ValueError("\n  the second line\n"), "the second line"),
        (EOFError(), "EOFError"),
        (ValueError("a\x1b[31mb"), "a\\x1b[31mb"),
    ],
    ids=repr,
)
def test_a_reason_is_one_printable_line(error: Exception, words: str) -> None:
    assert reason(error) == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("taps"), "'taps' is missing"),
        (TypeError("'NoneType' object is not iterable"), "an entry is missing or of the wrong kind"),
        (AttributeError("'list' object has no attribute 'get'"), "an entry is missing or of the wrong kind"),
        (ValueError("no part has a weight"), "no part has a weight"),
        (EOFError(), "it ends too early"),
    ],
    ids=repr,
)
def test_damage_is_told_without_python(error: Exception, words: str) -> None:
    assert damage(error) == words


def test_long_texts_are_cut() -> None:
    assert len(reason(ValueError("x" * 5000))) < 300
    assert len(damage(KeyError("x" * 5000))) < 300
    assert shortened("12345", 3) == "123…"


def test_what_is_no_text_is_escaped() -> None:
    assert printable("é名\n\ud800") == "é名\\n\\ud800"
