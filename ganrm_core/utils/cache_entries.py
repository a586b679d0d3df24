"""Files of a cache folder: named by their content, dated by their last use, removed without fuss."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

_LENGTH = 24  # hex digits: some systems allow no long paths


def content_name(content: bytes) -> str:
    """A name by which `content` is checked when it is read again."""
    return hashlib.sha256(content).hexdigest()[:_LENGTH]


def last_used(path: Path) -> float:
    """Time of the last use in seconds since 1970; 0 for a file that is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def remove_entry(path: Path) -> None:
    """Remove a file, if that is possible."""
    with contextlib.suppress(OSError):  # gone already, or in use on Windows: removed next time
        path.unlink()
