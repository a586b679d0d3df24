"""Prompts without a generator's syntax."""

from __future__ import annotations

import pytest

from ganrm_core.data.prompt_syntax import plain_prompt


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red fox", "a red fox"),
        ("a (red:1.2) fox, ((snow)), (a (deep:0.5) wood:1.1)", "a red fox, snow, a deep wood"),
        (r"fox \(animal\), a\b", r"fox (animal), a\b"),
        ("<lora:style_v2:0.8> a fox, embedding:good:1.2, BREAK, snow", "a fox, snow"),
        ("a fox\nin snow,\n\n  sharp,", "a fox in snow, sharp"),
        ("a coffee break BREAK a fox", "a coffee break a fox"),
        ("smile :) at 10:30 (", "smile :) at 10:30"),
        (" (embedding:bad) ", ""),
        ("狐狸，(红色:1.3)", "狐狸，红色"),
    ],
)
def test_what_is_left(text: str, expected: str) -> None:
    assert plain_prompt(text) == expected
