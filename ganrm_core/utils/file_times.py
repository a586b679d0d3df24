"""File times that keep their order when the clock is set back."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

_STEP_NS = 2 * 10**9  # FAT keeps even seconds


def modified_ns(path: Path) -> int:
    """Modification time in nanoseconds since 1970; 0 for a file that is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def set_newest(path: Path, among: Iterable[Path]) -> None:
    """Set the modification time of `path` to now, or later than all of `among`; where the file system allows it."""
    latest = max((modified_ns(other) for other in among if other != path), default=0)
    now = time.time_ns()
    stamp = now if now > latest else latest + _STEP_NS
    with contextlib.suppress(OSError):
        os.utime(path, ns=(stamp, stamp))
