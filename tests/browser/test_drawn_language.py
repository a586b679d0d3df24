"""Language of the text that nodes draw: the page's setting, or else the browser's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_support.page import ComfyPage, OpenPage
from browser_support.pictures import node_image
from browser_support.shipped_workflows import drop_shipped
from host_support.server import Server
from PIL import Image, ImageDraw

from ganrm_core.reports import translation
from ganrm_core.reports.canvas import PAGE, SOFT_TEXT, TextStyle, write
from ganrm_core.reports.system_fonts import cjk_font

_ENGLISH = "Keep from score"  # stands on the card of every training
_MARGIN, _LETTERS = 42, 36  # of `compact_card`, in pixels of the card
_ALIKE = 12  # levels of 255, on average: the page may have compressed the picture


@pytest.mark.skipif(cjk_font() is None, reason="no font with Chinese letters: cards stay English")
@pytest.mark.parametrize(
    ("setting", "prefers", "spoken"),
    [("zh", "zh-CN", "zh"), (None, "zh-CN", "zh"), ("en", "en", "en"), (None, "ru", "en")],
)
def test_the_card_speaks_the_language_of_the_page(
    open_comfy: OpenPage,
    page_server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str | None,
    prefers: str,
    spoken: str,
) -> None:
    page_server.folder("user", "default", "comfy.settings.json").unlink(missing_ok=True)
    chosen: dict[str, Any] = (
        {"untouched": True, "locale": prefers} if setting is None else {"locale": setting}
    )
    with open_comfy(**chosen) as page:
        card = _card(page, tmp_path, f"taste of {setting} {prefers}")
    shown = {name: _stands_in(card, name, monkeypatch) for name in ("en", "zh")}
    assert shown == {"en": spoken == "en", "zh": spoken == "zh"}


def _card(page: ComfyPage, folder: Path, name: str) -> Image.Image:
    node = drop_shipped(page, "1 Train your taste", folder)["GANRMTrain"]
    # Else the card would come from the server's cache, as it was drawn before.
    page.set_widget(node, "name", name)
    page.run_and_wait()
    return node_image(page, node)


def _stands_in(card: Image.Image, name: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the words stand at the card's left margin as that language writes them."""
    monkeypatch.setattr(translation, "_current", lambda: name)
    strip = Image.new("RGB", (300, 50), PAGE)
    written = write(ImageDraw.Draw(strip), (0, 0), _ENGLISH, TextStyle(_LETTERS, SOFT_TEXT), 300)
    words = np.asarray(strip, float)[:, : round(written)]
    pixels = np.asarray(card, float)[:, _MARGIN : _MARGIN + words.shape[1]]
    tops = range(len(pixels) - len(words))
    return any(np.abs(pixels[top : top + len(words)] - words).mean() < _ALIKE for top in tops)
