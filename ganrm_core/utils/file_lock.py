"""Advisory locks on files and folders, which end with the process that holds them, however it ends."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextlib.contextmanager
def lock(path: Path, *, wait: bool = False) -> Iterator[bool | None]:
    """Context manager: lock the existing file or folder `path`; yields whether that worked.

    False: another process or thread holds it (never with `wait`). None: this system or disk has no such locks, or
    `path` cannot be opened. Nothing is written, and only those who ask for the lock notice it.
    """
    descriptor = _opened(path)
    try:
        yield _locked(descriptor, wait=wait) if descriptor is not None else None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _opened(path: Path) -> int | None:
    if fcntl is None:
        return None
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return None


def _locked(descriptor: int, *, wait: bool) -> bool | None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EACCES) else None
    return True
