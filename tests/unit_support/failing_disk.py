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

    def call(first: Any, *_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code), first if isinstance(first, int) else str(first))

    return call


def refuse_creating(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """New files cannot be created; all else works."""
    real: Any = os.open

    def guarded(path: Any, flags: int, *rest: int, **more: int) -> Any:
        return (refuse(code) if flags & os.O_CREAT else real)(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", guarded)
