"""Hashes of files and of sets of files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ganrm_core.data.content_hash import content_hashes, fingerprint
from ganrm_core.utils.errors import ImageError


def test_content_hash_is_sha256_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in (b"abc" * 1_000_000, b"cba" * 1_000_000):
        path.write_bytes(content)
        os.utime(path, ns=(len(content), content[0]))  # written twice within one tick of the clock
        assert content_hashes([path, path]) == [hashlib.sha256(content).hexdigest()] * 2
    with pytest.raises(ImageError, match=r"gone.*Put it back"):
        content_hashes([tmp_path / "gone"])


def test_fingerprint_ignores_order_only() -> None:
    a, b, c = (hashlib.sha256(name).hexdigest() for name in (b"a", b"b", b"c"))
    assert fingerprint([a, b, c]) == fingerprint([c, a, b])
    assert len({fingerprint(x) for x in ([], [a], [b], [a, b], [a, a], [a, b, c])}) == 6
    assert len(fingerprint([a])) == 64
