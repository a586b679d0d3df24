"""What is drawn, in another language: every translation still fits the English it stands for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganrm_core.reports import fonts, translation
from ganrm_core.reports.chinese_drawings import CHINESE
from ganrm_core.reports.fonts import fitting_text, localized, wrapped_text
from ganrm_core.reports.translation import letters_needed, translated, use_language

ROOT = Path(__file__).parents[3]
_GAP = re.compile(r"\{([a-z]+)\}")
_WORD = re.compile(r"[A-Za-z]{3,}")


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    before = translation._current
    yield
    use_language(before)
    fonts._can_draw.cache_clear()


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is Chinese, and some font has the letters."""
    monkeypatch.setattr(fonts, "_can_draw", lambda _: True)
    use_language(lambda: "zh")


def _words_of(folder: str) -> set[str]:
    """The words of all strings below it, docstrings and translations left out."""
    texts: list[str] = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        if path.name.startswith("chinese"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts += [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in loose
        ]
    return set(_WORD.findall(" ".join(texts)))


def test_no_translation_is_left_over() -> None:
    said = [_words_of("ganrm_core"), _words_of("nodes")]
    left = [
        (template, clause)
        for template in CHINESE
        for clause in re.split(r"[.:;] ", _GAP.sub("", template))
        if not any(set(_WORD.findall(clause)) <= words for words in said)
    ]
    assert left == [], "the English was changed or is said no more"


def test_translations_fill_in_what_their_templates_name() -> None:
    wrong = {
        text for text, told in CHINESE.items() if sorted(_GAP.findall(text)) != sorted(_GAP.findall(told))
    }
    assert wrong == set()


def test_english_unless_a_host_says_otherwise() -> None:
    assert translated("16 pictures, 4 kept") == "16 pictures, 4 kept"
    assert letters_needed() == frozenset()


@pytest.mark.parametrize("name", ["zh", "zh-CN", "zh-Hans-CN"])
def test_a_host_names_the_language_at_every_text(name: str) -> None:
    said = "en"
    use_language(lambda: said)
    assert translated("Worth knowing") == "Worth knowing"
    said = name
    assert translated("Worth knowing") == "值得注意"


@pytest.mark.parametrize("name", ["ru", "zh-TW", "", "../../x"])
def test_other_languages_are_english(name: str) -> None:
    use_language(lambda: name)
    assert translated("Worth knowing") == "Worth knowing"


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(
    ("english", "told"),
    [
        ("16 pictures, 4 kept", "16 张图像，保留 4 张"),
        ("1,234 pictures in 12 groups, 4 kept", "1,234 张图像，分 12 组，保留 4 张"),
        ("2, 6, 1 and 2 more are too close to call", "2, 6, 1 等另外 2 个难分高下"),
        (
            "5 is spoilt (NaN or infinite values) · 3 and 4 are too close to call",
            "5 已损坏（含 NaN 或无穷大） · 3、4 难分高下",
        ),
        (
            "That may be your taste. An unknown one. Not that.",
            "这可能正是您的品味。 An unknown one. Not that.",
        ),
        ("given up\nafter step 6", "已放弃\n第 6 步后"),
        ("· median", "· 中位"),
        ("Reading pictures", "读取图像特征"),
        ("a portrait by night.png", "a portrait by night.png"),
        ("my taste: and more", "my taste: and more"),
        ("0.93", "0.93"),
        ("", ""),
        (" · ", " · "),
    ],
)
def test_whole_texts_their_parts_and_sentences(english: str, told: str) -> None:
    assert translated(english) == told


def test_english_where_no_font_has_the_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_fonts", lambda size: (fonts.ImageFont.load_default(size),))
    monkeypatch.setattr(fonts, "_system_fonts", lambda _: ())
    fonts._can_draw.cache_clear()
    use_language(lambda: "zh")
    assert localized("Worth knowing") == "Worth knowing"


@pytest.mark.usefixtures("chinese")
def test_what_is_drawn_is_translated_before_it_is_measured() -> None:
    text, font = fitting_text("Worth knowing", 20, 500)
    assert len(text) == len("值得注意")
    assert font.getlength(text) <= 500
    assert len(wrapped_text("That may be your taste.", 20, 500)[0]) == 1
