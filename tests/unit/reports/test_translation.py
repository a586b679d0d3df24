"""What is drawn, in another language: every translation still fits the English it stands for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganrm_core.reports import fonts, translation
from ganrm_core.reports.chinese_drawings import CHINESE
from ganrm_core.reports.fonts import fitting_text, localized, wrapped_text
from ganrm_core.reports.translation import letters_needed, translated, use_language

_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_WORD = re.compile(r"[A-Za-z]{3,}")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


@pytest.fixture(autouse=True)
def _own_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translation, "_current", translation._current)


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is Chinese, and some font has the letters."""
    monkeypatch.setattr(fonts, "_can_draw", lambda _: True)
    use_language(lambda: "zh")


def _words_of(folder: Path) -> set[str]:
    """The words of all strings below it, docstrings and translations left out."""
    sources = [p for p in folder.rglob("*.py") if not p.name.startswith("chinese")]
    code = (re.sub(r'"""[\s\S]*?"""', "", path.read_text(encoding="utf-8")) for path in sources)
    return {word for text in code for string in _STRING.findall(text) for word in _WORD.findall(string)}


def test_no_translation_is_left_over(repository: Path) -> None:
    said = [_words_of(repository / "ganrm_core"), _words_of(repository / "nodes")]
    left = [
        (template, clause)
        for template in CHINESE
        for clause in re.split(r"[.:;] ", _PLACEHOLDER.sub("", template))
        if not any(set(_WORD.findall(clause)) <= words for words in said)
    ]
    assert left == [], "the English was changed or is said no more"


def test_translations_fill_in_what_their_templates_name() -> None:
    for english, chinese in CHINESE.items():
        assert sorted(_PLACEHOLDER.findall(english)) == sorted(_PLACEHOLDER.findall(chinese)), english


def test_a_host_names_the_language_at_every_text() -> None:
    assert translated("Worth knowing") == "Worth knowing"
    assert letters_needed() == frozenset()
    names = ["zh", "zh-CN", "zh-Hans-CN", "ru", "zh-TW", "", "../../x"]
    upcoming = iter(names)
    use_language(lambda: next(upcoming))
    assert [translated("Worth knowing") for _ in names] == ["值得注意"] * 3 + ["Worth knowing"] * 4


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(
    ("english", "told"),
    [
        ("16 pictures, 4 kept", "16 张图像，保留 4 张"),
        ("1,234 pictures in 12 groups, 4 kept", "1,234 张图像，分 12 组，保留 4 张"),
        ("2, 6, 1 and 2 more are too close to call", "2, 6, 1 等另外 2 个难分高下"),
        ("given up · 3 and 4 are too close to call", "已放弃 · 3、4 难分高下"),
        ("That may be your taste. An unknown one.", "这可能正是您的品味。 An unknown one."),
        ("given up\nafter step 6", "已放弃\n第 6 步后"),
        ("· median", "· 中位"),
        ("Reading pictures", "读取图像特征"),
        ("a portrait by night.png", "a portrait by night.png"),
        ("my taste: and more", "my taste: and more"),
        ("", ""),
        (" · ", " · "),
    ],
)
def test_whole_texts_their_parts_and_sentences(english: str, told: str) -> None:
    assert translated(english) == told


def test_english_where_no_font_has_the_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_fonts", lambda size: (fonts.ImageFont.load_default(size),))
    monkeypatch.setattr(fonts, "_system_fonts", lambda _: ())
    monkeypatch.setattr(fonts, "_can_draw", fonts._can_draw.__wrapped__)
    use_language(lambda: "zh")
    assert localized("Worth knowing") == "Worth knowing"


@pytest.mark.usefixtures("chinese")
def test_what_is_drawn_is_translated_before_it_is_measured() -> None:
    assert len(fitting_text("Worth knowing", 20, 500)[0]) == len("值得注意")
    assert len(wrapped_text("That may be your taste.", 20, 500)[0]) == 1
