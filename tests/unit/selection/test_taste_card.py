"""Taste card: what it says, and how it is laid out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops

from ganrm_core.reports import fonts, translation
from ganrm_core.reports.canvas import PAGE
from ganrm_core.reports.taste_card import WIDTH, TasteCard, square, taste_card
from ganrm_core.selection.taste_words import CardText, taste_words

MEASURED = {
    "metrics": {"auc": [0.934, 0.902, 0.958], "accuracy": [0.87, 0.83, 0.9]},
    "provenance": {"n_liked": 240, "n_ordinary": 1200},
}
SHA = "0123456789abcdef" * 4
TEXT = CardText("Soft light", "soft.safetensors", "Ana", "CC BY 4.0")


def pictures(count: int, level: int = 120) -> list[Image.Image]:
    return [
        Image.new("RGB", (300, 200 + 9 * number), (level, 40 + 20 * number, 90)) for number in range(count)
    ]


def drawn(text: CardText = TEXT, card: dict[str, Any] | None = None, count: int = 9) -> Image.Image:
    words = taste_words(text, MEASURED if card is None else card, SHA)
    return taste_card(TasteCard(words, pictures(count), pictures(count, 30)))


def test_the_figures_in_plain_words() -> None:
    words = taste_words(TEXT, MEASURED, SHA)
    assert words.figures.value_text == "93"
    assert words.lead == "it scores the liked one of two pictures it had never seen higher."
    assert words.interval == "95% interval: 90 to 96 times"
    assert dict(words.footer) == {
        "Licence": "CC BY 4.0",
        "Learned from": "240 liked and 1,200 ordinary pictures · sorts 87% of new ones rightly (83% to 90%)",
        "In ComfyUI": "Put soft.safetensors into models/ganrm and choose it in Load GAN-RM.",
        "Command line": "ganrm best soft.safetensors PICTURES --keep 9 --output best",
        "sha256": "0123456789abcdef…",
    }


@pytest.mark.parametrize(
    ("auc", "value", "said"),
    [
        ([0.999, 0.99, 1.0], "99", "higher."),
        ([1.0, 1.0, 1.0], "100", "higher."),
        ([0.6, 0.48, 0.7], "60", "That may be luck"),
        (None, "", "was not measured"),
        (["x", None, 2], "", "was not measured"),
    ],
)
def test_nothing_is_claimed_beyond_what_was_measured(auc: Any, value: str, said: str) -> None:
    words = taste_words(TEXT, {"metrics": {"auc": auc}}, SHA)
    assert words.figures.value_text == value
    assert said in words.lead


def test_without_licence_and_author() -> None:
    words = taste_words(CardText("a", "a.safetensors"), {}, SHA)
    assert (words.author, words.interval, dict(words.footer)["Licence"]) == ("", "", "not stated")
    assert "Learned from" not in dict(words.footer)


@pytest.mark.parametrize("count", [1, 5, 9])
def test_a_card_of_any_number_of_pictures(count: int) -> None:
    card = drawn(count=count)
    assert (card.mode, card.width) == ("RGB", WIDTH)
    assert 1150 < card.height < 1450
    # Nothing touches the margin but the line along the top.
    edge = card.crop((0, 10, 40, card.height))
    assert ImageChops.difference(edge, Image.new("RGB", edge.size, PAGE)).getbbox() is None


def test_the_same_twice_and_another_for_another_model() -> None:
    assert drawn().tobytes() == drawn().tobytes()
    assert drawn().tobytes() != drawn(CardText("Soft light", "soft.safetensors", "Ana", "CC0")).tobytes()


def test_a_long_name_is_cut_and_stays_on_the_card() -> None:
    long = CardText("no_spaces_at_all_" * 20, "no_spaces_at_all_" * 20 + ".safetensors", "A" * 300, "L" * 400)
    card = drawn(long)
    edge = card.crop((WIDTH - 40, 10, WIDTH, card.height))
    assert ImageChops.difference(edge, Image.new("RGB", edge.size, PAGE)).getbbox() is None


def test_pictures_become_squares_and_tall_ones_keep_their_upper_part() -> None:
    tall = np.zeros((400, 100, 3), np.uint8)
    tall[:200, :, 0] = 255
    assert square(Image.fromarray(tall), 50).size == (50, 50)
    reds = np.asarray(square(Image.fromarray(tall), 50))[:, :, 0]
    assert reds.mean() > 200


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    found: dict[str, str] = {}
    translated = fonts.translated

    def recording(text: str) -> str:
        found[text] = translated(text)
        return found[text]

    monkeypatch.setattr(fonts, "translated", recording)
    monkeypatch.setattr(fonts, "_can_draw", lambda _: True)
    monkeypatch.setattr(translation, "_current", lambda: "zh")
    return found


def test_in_chinese(chinese: dict[str, str]) -> None:
    drawn()
    assert chinese["by Ana"] == "作者：Ana"
    assert chinese["Licence"] == "许可"
    learned = "240 liked and 1,200 ordinary pictures · sorts 87% of new ones rightly (83% to 90%)"
    assert chinese[learned] == "240 张喜欢的和 1,200 张普通的图像 · 对新图像判断正确的占 87%（83% 至 90%）"
    assert chinese["CC BY 4.0"] == "CC BY 4.0"
