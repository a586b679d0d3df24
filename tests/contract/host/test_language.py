"""The language of the page that asked, and help pages in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest


@pytest.fixture
def language(pack: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = pack.module("nodes.host.language")
    monkeypatch.setattr(module, "_by_prompt", type(module._by_prompt)())
    return module


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
    asked = Mock(side_effect=settings) if isinstance(settings, Exception) else Mock(return_value=settings)
    server = SimpleNamespace(user_manager=SimpleNamespace(settings=SimpleNamespace(get_settings=asked)))
    request = SimpleNamespace(headers={"Accept-Language": browser} if browser else {})
    assert language.language_of(server, request) == wanted


def test_each_prompt_speaks_its_own_language(language: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    language._request_language.set("zh")
    first = language.note({"prompt": {}})
    language._request_language.set("en")
    second = language.note({"prompt": {}, "prompt_id": "given by the page"})
    assert second["prompt_id"] == "given by the page"
    assert first["prompt_id"] != second["prompt_id"]
    running = Mock(return_value=None)
    monkeypatch.setattr(language, "get_executing_context", running)
    assert language.current() == "en"
    prompts = {first["prompt_id"]: "zh", second["prompt_id"]: "en", "of an earlier start": "en"}
    for prompt_id, expected in prompts.items():
        running.return_value = SimpleNamespace(prompt_id=prompt_id)
        assert language.current() == expected


def test_the_number_of_remembered_prompts_is_bounded(language: Any) -> None:
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
