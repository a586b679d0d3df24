"""SHA-256 of file contents, cached for files that have not changed."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

_BLOCK = 1 << 20


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 (hex) of a file's bytes. Raises OSError where it cannot be read."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def cached_file_sha256(path: str | os.PathLike[str]) -> str:
    """As `file_sha256`; a file of unchanged inode, size and times is not read again in this process."""
    status = Path(path).stat()
    return _sha256(os.fspath(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=1 << 16)
def _sha256(path: str, _inode: int, _size: int, _modified: int, _changed: int) -> str:
    return file_sha256(path)
