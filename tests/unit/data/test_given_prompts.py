"""Prompts given for a number of pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganrm_core.data.given_prompts import prompts_for, prompts_of_table, use_of_prompts
from ganrm_core.utils.errors import DataError


@pytest.mark.parametrize(
    ("given", "count", "group_size", "expected"),
    [
        (["a fox"], 3, 0, "a fox|a fox|a fox"),
        (["a fox\n\n a hen \na cat"], 3, 0, "a fox|a hen|a cat"),
        (["a fox,\nin snow"], 3, 0, "a fox,\nin snow|a fox,\nin snow|a fox,\nin snow"),
        (["a fox,\nin snow"], 1, 0, "a fox,\nin snow"),
        (["a fox\na hen"], 4, 2, "a fox|a fox|a hen|a hen"),
        (["a fox", "a hen"], 3, 2, "a fox|a fox|a hen"),
        (["a", "b", "c"], 3, 2, "a|b|c"),
        ([""], 2, 0, "|"),
    ],
)
def test_which_text_belongs_to_which_picture(
    given: list[str], count: int, group_size: int, expected: str
) -> None:
    assert prompts_for(given, count, group_size) == expected.split("|")


def test_another_number() -> None:
    with pytest.raises(DataError, match=r"4 pictures but 3 prompts.*one for each of the 2 groups"):
        prompts_for(["a", "b", "c"], 4, 2)
    with pytest.raises(DataError, match=r"or one for each\."):
        prompts_for(["a", "b"], 4)


def test_what_is_said() -> None:
    assert use_of_prompts(["a", "a"]) == "judged by one prompt"
    assert use_of_prompts(["a", "b", "a"]) == "judged by 2 different prompts"


class TestTables:
    FILES = (Path("pictures/a.png"), Path("pictures/b.png"), Path("c.png"))

    def prompts(self, table: Path) -> list[str]:
        of = prompts_of_table(table, self.FILES)
        return [of(path).text or of(path).why_none for path in self.FILES]

    def test_a_table_by_path_or_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        table = tmp_path / "pictures" / "prompts.csv"
        table.parent.mkdir()
        table.write_text(
            '﻿score,Prompt,file\n1,"a fox, red",a.png\n2,a hen,pictures/b.png\n', encoding="utf-8"
        )
        assert self.prompts(table) == ["a fox, red", "a hen", '"prompts.csv" has no prompt for it']
        table.write_text("b.png,a hen\nc.png,a cat\n", encoding="utf-8")
        assert self.prompts(table)[1:] == ["a hen", "a cat"]

    def test_lines(self, tmp_path: Path) -> None:
        table = tmp_path / "prompts.txt"
        table.write_text("a fox\r\na hen\r\na cat\r\n", encoding="utf-8")
        assert self.prompts(table) == ["a fox", "a hen", "a cat"]
        table.write_text("a fox\n", encoding="utf-8")
        assert self.prompts(table) == ["a fox"] * 3

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.txt", b"a fox\na hen\n", "3 pictures but 2 prompts"),
            ("a.txt", b"\xff\xfe\x00", "not text in UTF-8"),
            ("a.csv", b"other.png,a fox\n", "names none of the pictures"),
            ("a.csv", b"a.png\n", "Row 1 of .* has no second column"),
            ("gone.csv", None, "Cannot read the prompts in .*gone"),
        ],
    )
    def test_files_that_cannot_be_used(
        self, tmp_path: Path, name: str, content: bytes | None, message: str
    ) -> None:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=re.compile(message)):
            prompts_of_table(tmp_path / name, self.FILES)
