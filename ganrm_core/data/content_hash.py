"""Content hashes (SHA-256) of files, and of whole sets of files."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ..utils.errors import ImageError
from ..utils.files import shown


def content_hashes(paths: Sequence[Path]) -> list[str]:
    """The sha256 of each file's bytes, in hex. Raises `ImageError` for a file that cannot be read."""
    return [content_hash(path) for path in paths]


def fingerprint(hashes: Sequence[str]) -> str:
    """One sha256 (hex) for a whole set of content hashes, whatever their order; copies count."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode("ascii")).hexdigest()


def common_files(liked: Sequence[str], ordinary: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (index into `liked`, index into `ordinary`) of files with the same content hash."""
    places = defaultdict(list)
    for index, content in enumerate(ordinary):
        places[content].append(index)
    return [(first, second) for first, content in enumerate(liked) for second in places.get(content, ())]


def content_hash(path: Path) -> str:
    """The sha256 of a file's bytes, in hex; of a file that did not change since, without reading it again.

    Raises `ImageError` where it cannot be read.
    """
    try:
        about = Path(path).stat()
        return _hash_once(os.fspath(path), about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    except OSError as error:
        raise ImageError(
            f"Cannot read {shown(path)}: {error.strerror or error}. Put it back or check its permissions, "
            "or read the folder again."
        ) from error


@lru_cache(maxsize=1 << 16)
def _hash_once(path: str, _inode: int, _size: int, _modified: int, _changed: int) -> str:
    """Sets of thousands of files are read again and again, mostly unchanged."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
