"""Optional packages: the message where one cannot be imported, and a user without a name."""

from __future__ import annotations

import getpass
import os

import pytest

from ganrm_core.utils.optional_imports import cannot_import, name_the_user


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ModuleNotFoundError("No module named 'timm'", name="timm"),
            "LoRA needs peft, which cannot be imported (No module named 'timm'). "
            "Install it with: pip install peft, or do without.",
        ),
        (
            RuntimeError("broken.\nat length"),
            "LoRA needs peft, which cannot be imported (broken). Install it with: pip install peft, or do without.",
        ),
        (
            ModuleNotFoundError("No module named '_lzma'", name="_lzma"),
            "LoRA needs peft, which cannot be imported (No module named '_lzma'). "
            "This Python was built without _lzma: use one that has it, or do without.",
        ),
    ],
)
def test_what_is_said(error: Exception, said: str) -> None:
    assert cannot_import("LoRA", "peft", error, "peft", ", or do without") == said


@pytest.mark.parametrize("error", [KeyError, OSError, ModuleNotFoundError])
def test_a_user_without_a_name_gets_one(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    monkeypatch.setenv("USER", "somebody")
    name_the_user()
    assert os.environ["USER"] == "somebody"

    def unknown() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", unknown)
    name_the_user()
    assert os.environ["USER"] == "user"
