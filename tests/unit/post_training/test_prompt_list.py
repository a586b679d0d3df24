"""Prompt lists: lines and comments, {a|b} choices, tables, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ganrm_core.post_training.prompt_list import LONGEST, csv_prompts, expanded, prompt_lines, resolved
from ganrm_core.utils.errors import DataError


def all_of(*lines: str, **options: Any) -> set[str]:
    return set(expanded(lines, "all combinations", 0, **options).texts)


def test_one_prompt_a_line_without_blank_lines_and_comments() -> None:
    assert prompt_lines("  a cat \n\n# no\n// no\r\na dog, #1\n") == ["a cat", "a dog, #1"]


@pytest.mark.parametrize(
    ("line", "texts"),
    [
        ("a {red|blue} {cat|dog}", {"a red cat", "a red dog", "a blue cat", "a blue dog"}),
        ("{a|{b|c} d}!", {"a!", "b d!", "c d!"}),
        ("a {|very }old door", {"a old door", "a very old door"}),
        (r"\{a\|b\} {c\|d|e}", {"{a|b} c|d", "{a|b} e"}),
        (r"a | b } (word:1.2) embedding:x \( {one}", {r"a | b } (word:1.2) embedding:x \( one"}),
        ("ends with \\", {"ends with \\"}),
    ],
)
def test_choices(line: str, texts: set[str]) -> None:
    assert all_of(line) == texts


class TestExpansion:
    def test_lines_without_choices_stay_in_order_and_duplicates_are_counted(self) -> None:
        found = expanded(["b", "a", "b", "{a|c}"], "all combinations", 5)
        assert found.texts == ("b", "a", "c")
        assert (found.duplicates, found.possible) == (2, 5)

    def test_lines_take_turns_and_the_seed_decides_the_order(self) -> None:
        lines = [f"{letter} {{{'|'.join(map(str, range(20)))}}}" for letter in "xyz"]
        first, other = (expanded(lines, "all combinations", seed, 30) for seed in (0, 1))
        assert [text[0] for text in first.texts] == list("xyz") * 10
        assert len(set(first.texts)) == 30
        assert first.possible == 60
        assert first == expanded(lines, "all combinations", 0, 30)
        assert first.texts != other.texts

    def test_one_at_random_takes_each_option_equally_often(self) -> None:
        line = "{a|{b|c|d}}"
        drawn = [expanded([line], "one at random", seed).texts[0] for seed in range(400)]
        assert 150 < drawn.count("a") < 250
        assert set(drawn) == set("abcd")
        assert resolved(line, 7) == expanded([line], "one at random", 7).texts[0]

    def test_more_combinations_than_anyone_could_list(self) -> None:
        found = expanded(["{a|b}" * 200], "all combinations", 0, 50)
        assert len(set(found.texts)) == 50
        assert found.possible == 2**200

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("a {b|c", "{ without its }"),
            ("{" * 60 + "a" + "}" * 60, "more than 50 deep"),
            ("x" * (LONGEST + 1), "more than any model reads"),
            ("x" * (11 * LONGEST), "one prompt a line"),
        ],
    )
    def test_what_is_no_prompt_is_refused(self, line: str, message: str) -> None:
        with pytest.raises(DataError, match=re.escape(message)):
            all_of(line)

    def test_an_unknown_way_is_refused(self) -> None:
        with pytest.raises(DataError, match="all combinations, one at random"):
            expanded(["a"], "some", 0)  # type: ignore[arg-type]


class TestTables:
    @pytest.mark.parametrize("separator", list(",;\t"))
    def test_the_column_prompt(self, separator: str) -> None:
        text = 'id,Prompt,x\n1,"a cat, asleep",5\n2,a dog\n\n3,,4\n'
        assert csv_prompts(text.replace(",", separator), "x.csv") == [
            " ".join(f"a cat{separator} asleep".split()),
            "a dog",
        ]

    def test_else_the_first_column_and_lines_inside_quotes(self) -> None:
        assert csv_prompts('"a cat,\n asleep",1\na dog,2\n', "x.csv") == ["a cat, asleep", "a dog"]
        assert csv_prompts("", "x.csv") == []

    @pytest.mark.parametrize("text", ["a cat, asleep\na dog\n", "prompt\na cat, asleep\n"])
    def test_commas_without_quotes_cut_no_prompt(self, text: str) -> None:
        with pytest.raises(DataError, match="another number of columns"):
            csv_prompts(text, "x.csv")

    def test_too_much_text_is_refused(self) -> None:
        for read in (prompt_lines, lambda text: csv_prompts(text, "x.csv"), lambda text: resolved(text, 0)):
            with pytest.raises(DataError, match="million characters"):
                read("x" * 2_000_001)
        with pytest.raises(DataError, match="no readable table"):
            csv_prompts('"' + "x" * 200_000, "x.csv")
