"""Partial files: hidden and locked while they are written, so that what a killed process left can be told and removed."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from .file_lock import lock
from .file_names import split_name

_NAME = re.compile(r"\.[0-9a-f]{16}\.part(\..*)?", re.DOTALL)
_STALE_S = 24 * 60 * 60


def is_partial(path: Path) -> bool:
    """Whether the name is one that `partial_file` gives."""
    return _NAME.fullmatch(path.name) is not None


@contextlib.contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """Context manager: an empty, hidden file in the folder of `path`, locked until the end; removed if still there.

    It has the suffix of `path`, by which writers choose the format.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.part{split_name(path.name)[1]}")
    try:
        # Inside the try, so that Ctrl-C right after it removes the file.
        while True:
            create(temporary)
            with lock(temporary, wait=True):
                if temporary.exists():  # else it was taken for abandoned before it was locked
                    yield temporary
                    return
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def create(path: Path) -> None:
    """Create an empty file. Raises FileExistsError where there is one."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


def remove_abandoned(folder: Path) -> None:
    """Remove partial files of processes that are gone. Where a disk has no locks, those older than a day."""
    with contextlib.suppress(OSError):
        for path in [path for path in folder.iterdir() if is_partial(path) and path.is_file()]:
            with contextlib.suppress(OSError), lock(path) as locked:
                if locked or (locked is None and _is_old(path)):
                    path.unlink()


def _is_old(path: Path) -> bool:
    # Either way: a clock may have been set back since.
    return abs(time.time() - path.stat().st_mtime) > _STALE_S
