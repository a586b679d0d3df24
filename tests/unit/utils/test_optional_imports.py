"""Optional packages: the message where one cannot be imported, and a user without a name."""

from __future__ import annotations

import getpass
import os

import pytest

from ganrm_core.utils.optional_imports import cannot_import, name_the_user


@pytest.mark.parametrize(
    ("error", "why", "advice"),
    [
        (ModuleNotFoundError("No timm", name="timm"), "No timm", "Install it with: pip install peft"),
        (RuntimeError("broken.\nat length"), "broken", "Install it with: pip install peft"),
        (
            ModuleNotFoundError("No _lzma", name="_lzma"),
            "No _lzma",
            "This Python was built without _lzma: use one that has it",
        ),
    ],
)
def test_what_is_said(error: Exception, why: str, advice: str) -> None:
    said = f"LoRA needs peft, which cannot be imported ({why}). {advice}, or do without."
    assert cannot_import("LoRA", "peft", error, "peft", ", or do without") == said


@pytest.mark.parametrize("error", [KeyError, OSError, ModuleNotFoundError])
def test_a_user_without_a_name_gets_one(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def unknown() -> str:
        raise error

    monkeypatch.setenv("USER", "somebody")
    name_the_user()
    assert os.environ["USER"] == "somebody"
    monkeypatch.setattr(getpass, "getuser", unknown)
    name_the_user()
    assert os.environ["USER"] == "user"
