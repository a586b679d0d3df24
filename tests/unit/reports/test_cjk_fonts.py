"""Chinese, Japanese and Korean letters: drawn where the system has a font, and broken into lines as such text is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ganrm_core.reports import system_fonts
from ganrm_core.reports.canvas import PAGE, TEXT, write
from ganrm_core.reports.fonts import fitting_text, wrapped_text

_TEXT = "模型在未见过的图像上的区分能力（AUC）。区间 0.85–0.93，请降低最低分数，或生成更多候选图像。"


@pytest.fixture
def cjk() -> None:
    if system_fonts.cjk_font() is None:
        pytest.skip("no font with Chinese letters on this system")


@pytest.mark.usefixtures("cjk")
@pytest.mark.parametrize("room", [110, 130, 200, 333, 2000])
def test_lines_are_full_and_begin_with_no_closing_mark(room: int) -> None:
    lines, font = wrapped_text(_TEXT, 20, room)
    assert "".join(lines).replace(" ", "") == _TEXT.replace(" ", "")
    assert all(font.getlength(line) <= room for line in lines)
    assert not [line for line in lines if line[0] in "，。）" or line[-1] in "（"]
    for line, following in pairwise(lines):
        assert font.getlength(line + following[:12]) > room, "a line ends where the next word had no room"


@pytest.mark.usefixtures("cjk")
def test_the_letters_are_drawn() -> None:
    assert fitting_text("名前 — 3", 14, 500)[0] == "名前 — 3"


@pytest.mark.usefixtures("cjk")
def test_text_of_either_script_stands_on_one_base_line() -> None:
    def bottom(text: str) -> int:
        sheet = Image.new("RGB", (300, 60), PAGE)
        write(ImageDraw.Draw(sheet), (5, 10), text, 24, TEXT, 290)
        return int(np.flatnonzero((np.asarray(sheet) > 150).any(axis=(1, 2)))[-1])

    assert abs(bottom("H中") - bottom("中")) <= 3  # 中 reaches a little below the base line
    assert abs(bottom("H 一") - bottom("H")) <= 1  # 一 lies above it


def test_a_system_without_such_a_font(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(system_fonts, "_folders", lambda: [tmp_path, tmp_path / "gone"])
    system_fonts.cjk_font.cache_clear()
    (tmp_path / "simhei.ttf").write_bytes(b"no font at all")
    try:
        assert system_fonts.cjk_font() is None
    finally:
        system_fonts.cjk_font.cache_clear()


def test_a_duration_is_not_broken() -> None:
    lines, _ = wrapped_text("and 70 ordinary, in 84 s", 20, 190)
    assert lines == ["and 70 ordinary, in", "84 s"]
