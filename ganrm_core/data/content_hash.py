"""Content hashes (SHA-256) of files, and fingerprints of sets of files."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ..utils.errors import ImageError
from ..utils.file_hash import cached_file_sha256
from ..utils.files import shown


def content_hashes(paths: Sequence[Path]) -> list[str]:
    """SHA-256 (hex) of each file's bytes. Raises `ImageError` for a file that cannot be read."""
    return [content_hash(path) for path in paths]


def fingerprint(hashes: Sequence[str]) -> str:
    """One SHA-256 (hex) for a set of content hashes; independent of order, but copies count."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode("ascii")).hexdigest()


def common_files(liked: Sequence[str], ordinary: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (index into `liked`, index into `ordinary`) of files with the same content hash."""
    places = defaultdict(list)
    for index, content in enumerate(ordinary):
        places[content].append(index)
    return [(first, second) for first, content in enumerate(liked) for second in places.get(content, ())]


def content_hash(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes; a file that has not changed is not read again.

    Raises `ImageError` where it cannot be read.
    """
    try:
        return cached_file_sha256(path)
    except OSError as error:
        raise ImageError(
            f"Cannot read {shown(path)}: {error.strerror or error}. Put it back or check its permissions, "
            "or read the folder again."
        ) from error
