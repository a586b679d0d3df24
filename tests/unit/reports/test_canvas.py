"""Text in a font that has its letters, cut or broken to its room, and pictures fitted to theirs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganrm_core.reports import canvas, system_fonts
from ganrm_core.reports.canvas import enlarged, fitted, name_lines, text_width
from ganrm_core.reports.fonts import fitting_text, wrapped_text

_CHINESE = "模型在未见过的图像上的区分能力（AUC）。区间 0.85–0.93，请降低最低分数，或生成更多候选图像。"
# Some fonts of last resort have Chinese letters alone; reports are then in English (`fonts.localized`).
needs_cjk = pytest.mark.skipif(
    "?" in fitting_text(_CHINESE, 20, 9999)[0], reason="no font with Chinese and Latin letters here"
)


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


@needs_cjk
@pytest.mark.parametrize("room", [110, 200, 2000])
def test_chinese_lines_are_full_and_begin_with_no_closing_mark(room: int) -> None:
    lines, font = wrapped_text(_CHINESE, 20, room)
    assert "".join(lines).replace(" ", "") == _CHINESE.replace(" ", "")
    assert all(font.getlength(line) <= room for line in lines)
    assert not [line for line in lines if line[0] in "，。）" or line[-1] in "（"]
    for line, following in pairwise(lines):
        assert font.getlength(line + following[:12]) > room, "a line ends where the next word had no room"


def test_a_system_without_such_a_font(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(system_fonts, "_folders", lambda: [tmp_path, tmp_path / "gone"])
    (tmp_path / "simhei.ttf").write_bytes(b"no font at all")
    assert system_fonts.cjk_font.__wrapped__() is None


@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("length", [1, 5, 30, 300])
def test_a_name_is_whole_or_keeps_both_its_ends(length: int, most: int) -> None:
    name = ("a" + "m" * 300)[: length - 1] + "z"
    lines = name_lines(name, 20, 120, most)
    assert len(lines) <= most
    assert all(text_width(line, 20) <= 120 for line in lines)
    whole = "".join(lines)
    assert whole == name or (whole[0], whole[-1]) == ("a", "z")
    assert name_lines(name, 20, 10_000) == [name]


@pytest.mark.parametrize(
    ("size", "drawn"),
    [((400, 400), (200, 200)), ((400, 100), (200, 50)), ((1, 3000), (1, 200)), ((20, 10), (40, 20))],
)
def test_pictures_of_either_kind_are_fitted(size: tuple[int, int], drawn: tuple[int, int]) -> None:
    picture = Image.effect_noise(size, 90).convert("RGB")
    found = fitted(picture, 200, 200)
    assert found.size == drawn
    tensor = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    assert fitted(tensor, 200, 200).tobytes() == found.tobytes()
    clear = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    assert fitted(clear, 10, 10).getpixel((5, 5)) == (128, 128, 128), "transparency lies over mid-grey"


def test_only_small_pictures_are_enlarged() -> None:
    wide = Image.new("RGB", (40, 10))
    assert enlarged(wide, 80).size == (80, 20)
    assert enlarged(wide, 40) is wide


@pytest.mark.parametrize("size", [(300, 41), (52, 52), (51, 90), (7, 3)])
def test_a_mask_put_together_from_corners_is_the_drawn_one(size: tuple[int, int]) -> None:
    for radius in (0, 1, 12, 25):
        drawn = canvas._drawn_mask(*size, radius)
        assert canvas._rounded_mask(*size, radius).tobytes() == drawn.tobytes()
