"""Checks error messages for users: one line that names the file, the problem and what to do next."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganrm_core.utils.errors import GanRMError

_MOST_LETTERS = 600
"""Without the path, which may be of any length."""

_PROGRAMMER = re.compile(r"Traceback|NoneType|<class|object at 0x|\b[A-Z]\w*(?:Error|Exception|Warning)\b")
_ADVICE = re.compile(
    r"[.!?;:,] (?:or )?"
    r"(?:Save|Copy|Download|Remove|Choose|Install|Check|Put|Update|Train|Make|Give|Use|Get|Close|Free|Change|Read|Move|Rename)\b",
    re.IGNORECASE,
)


def why_unclear(message: str, path: Path) -> str:
    """What is wrong with an error message about `path`; "" for a clear one."""
    if not message.isprintable():
        return "control characters or several lines"
    if path.name not in message:
        return "it does not name the file"
    if len(message.replace(str(path), "")) > _MOST_LETTERS:
        return f"{len(message)} letters"
    if found := _PROGRAMMER.search(message):
        return f"it speaks of {found[0]!r}"
    if not _ADVICE.search(message):
        return "it does not say what to do"
    return ""


def tried(what: str, call: Callable[[], Any], path: Path, faults: list[str]) -> Any:
    """Result of `call`, or None where it refuses the file; adds to `faults` for any other error or an unclear message."""
    try:
        return call()
    except GanRMError as error:
        if why := why_unclear(str(error), path):
            faults.append(f"{what}: unclear, {why}: {error}")
    except Exception as error:
        faults.append(f"{what}: {type(error).__name__}: {error}")
    return None
