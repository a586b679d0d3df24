"""Text in a font that has its letters, cut or broken to its room; Chinese letters where the system has a font."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ganrm_core.reports import system_fonts
from ganrm_core.reports.canvas import PAGE, TEXT, TextStyle, write
from ganrm_core.reports.fonts import fitting_text, wrapped_text

_CHINESE = "模型在未见过的图像上的区分能力（AUC）。区间 0.85–0.93，请降低最低分数，或生成更多候选图像。"
needs_cjk = pytest.mark.skipif(system_fonts.cjk_font() is None, reason="no font with Chinese letters here")


@pytest.mark.parametrize("room", [0, 5, 30, 100])
def test_text_is_cut_to_its_room(room: int) -> None:
    for size in (9, 40):
        text, font = fitting_text("a name that may be too long é.png", size, room)
        assert font.getlength(text) <= room


@pytest.mark.parametrize(
    ("text", "room", "drawn"),
    [
        ("two\nlines\tof  text", 500, ("two lines of text",)),
        ("abcdefghijklmnopqrstuvwxyz", 80, ("abcdefghij…", "abcdefghi...")),
        (f"a{chr(0xE123)}b", 500, ("a?b",)),  # private use: no font has it
        ("a — b", 500, ("a — b", "a - b")),
        ("ünïcode", 500, ("ünïcode", "unicode")),
    ],
)
def test_no_empty_boxes_for_missing_letters(text: str, room: int, drawn: tuple[str, ...]) -> None:
    assert fitting_text(text, 14, room)[0] in drawn


def test_a_duration_is_not_broken() -> None:
    assert wrapped_text("and 70 ordinary, in 84 s", 20, 190)[0] == ["and 70 ordinary, in", "84 s"]


@needs_cjk
@pytest.mark.parametrize("room", [110, 200, 2000])
def test_chinese_lines_are_full_and_begin_with_no_closing_mark(room: int) -> None:
    lines, font = wrapped_text(_CHINESE, 20, room)
    assert "".join(lines).replace(" ", "") == _CHINESE.replace(" ", "")
    assert all(font.getlength(line) <= room for line in lines)
    assert not [line for line in lines if line[0] in "，。）" or line[-1] in "（"]
    for line, following in pairwise(lines):
        assert font.getlength(line + following[:12]) > room, "a line ends where the next word had no room"


@needs_cjk
def test_text_of_either_script_is_drawn_on_one_base_line() -> None:
    def bottom(text: str) -> int:
        sheet = Image.new("RGB", (300, 60), PAGE)
        write(ImageDraw.Draw(sheet), (5, 10), text, TextStyle(24, TEXT), 290)
        return int(np.flatnonzero((np.asarray(sheet) > 150).any(axis=(1, 2)))[-1])

    assert fitting_text("名前 — 3", 14, 500)[0] == "名前 — 3"
    assert abs(bottom("H中") - bottom("中")) <= 3  # 中 reaches a little below the base line
    assert abs(bottom("H 一") - bottom("H")) <= 1  # 一 lies above it


def test_a_system_without_such_a_font(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(system_fonts, "_folders", lambda: [tmp_path, tmp_path / "gone"])
    (tmp_path / "simhei.ttf").write_bytes(b"no font at all")
    assert system_fonts.cjk_font.__wrapped__() is None
