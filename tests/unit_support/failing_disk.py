"""System calls that fail as on a full or read-only disk. They work for root too, whom permissions do not stop."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refuse(code: int) -> Callable[..., None]:
    """A stand-in for a system call that raises OSError with this code for its first argument."""

    def call(*arguments: Any, **_: object) -> None:
        raise OSError(
            code, os.strerror(code), arguments[0] if isinstance(arguments[0], int) else str(arguments[0])
        )

    return call


def refuse_creating(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """New files cannot be created; all else works."""
    real = os.open

    def guarded(path: Any, flags: int, *rest: int, **more: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(code, os.strerror(code), str(path))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", guarded)
