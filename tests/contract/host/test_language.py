"""The language of the page that asked, and help pages in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def language(pack: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = pack.module("nodes.host.language")
    monkeypatch.setattr(module, "_by_prompt", type(module._by_prompt)())
    return module


def _server(settings: Any) -> Any:
    def get_settings(request: Any) -> dict[str, Any]:
        if isinstance(settings, Exception):
            raise settings
        return dict(settings)

    return SimpleNamespace(user_manager=SimpleNamespace(settings=SimpleNamespace(get_settings=get_settings)))


@pytest.mark.parametrize(
    ("settings", "browser", "wanted"),
    [
        ({"Comfy.Locale": "zh"}, "en-US,en;q=0.9", "zh"),
        ({"Comfy.Locale": "en"}, "zh-CN,zh;q=0.9", "en"),
        ({}, "zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ({}, "zh;q=0.9", "zh"),
        ({}, "", "en"),
        ({"Comfy.Locale": None}, "", "en"),
        (KeyError("unknown user"), "zh", "zh"),
    ],
)
def test_the_setting_counts_before_the_browser(
    language: Any, settings: Any, browser: str, wanted: str
) -> None:
    request = SimpleNamespace(headers={"Accept-Language": browser} if browser else {})
    assert language.language_of(_server(settings), request) == wanted


def test_each_prompt_speaks_its_own_language(language: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    language._request_language.set("zh")
    first = language.note({"prompt": {}})
    language._request_language.set("en")
    second = language.note({"prompt": {}, "prompt_id": "given by the page"})
    assert second["prompt_id"] == "given by the page"
    assert first["prompt_id"] != second["prompt_id"]
    running: list[Any] = [None]
    monkeypatch.setattr(language, "get_executing_context", lambda: running[0])
    spoken = []
    for prompt_id in (first["prompt_id"], second["prompt_id"], "of an earlier start"):
        running[0] = SimpleNamespace(prompt_id=prompt_id)
        spoken.append(language.current())
    running[0] = None
    assert [*spoken, language.current()] == ["zh", "en", "en", "en"]


def test_what_is_remembered_is_bounded(language: Any) -> None:
    for number in range(2000):
        language.note({"prompt_id": str(number)})
    assert len(language._by_prompt) == 1000
    assert "1999" in language._by_prompt


def test_help_is_english_where_it_is_not_translated(pack: Any) -> None:
    help_page = pack.module("nodes.host.help_pages").help_page
    assert help_page("GANRMTrain", "en") == help_page("GANRMTrain", "ru")
    assert help_page("GANRMTrain", "ru").read_text(encoding="utf-8").startswith("# Train GAN-RM\n")
    assert help_page("GANRMTrain", "zh").read_text(encoding="utf-8").startswith("# 训练 GAN-RM\n")
    assert not help_page("GANRMNothing", "en").exists()
