"""What errors of Python and of other libraries become inside a message of ours."""

from __future__ import annotations

import pytest

from ganrm_core.utils.error_text import damage, printable, reason, shortened


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (reason, RuntimeError("Error in loading:\n\tsize mismatch"), "Error in loading:"),
        (reason, EOFError(), "EOFError"),
        (reason, ValueError("a\x1b[31mb"), "a\\x1b[31mb"),
        (damage, KeyError("taps"), "'taps' is missing"),
        (damage, TypeError("not iterable"), "an entry is missing or of the wrong kind"),
        (damage, ValueError("no part has a weight"), "no part has a weight"),
        (damage, EOFError(), "it ends too early"),
        (printable, "é名\n\ud800", "é名\\n\\ud800"),
    ],
)
def test_one_printable_line_without_python(text: object, error: object, words: str) -> None:
    assert text(error) == words  # type: ignore[operator]


def test_long_texts_are_cut() -> None:
    assert len(reason(ValueError("x" * 5000))) < 300
    assert len(damage(KeyError("x" * 5000))) < 300
    assert shortened("12345", 3) == "123…"
