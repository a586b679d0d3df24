"""Decoded pictures are kept up to a limit, and handed out once."""

from __future__ import annotations

import pytest
import torch

from ganrm_core.data import image_cache
from ganrm_core.data.image_cache import ImageCache

PICTURE = torch.zeros(3, 10, 10, dtype=torch.uint8)


def test_what_does_not_fit_is_not_kept_and_what_is_taken_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "_MOST_BYTES", 2 * PICTURE.nbytes)
    cache = ImageCache()
    cache.keep("too large", torch.zeros(3, 20, 10, 2, dtype=torch.uint8))
    for name in "aabc":
        cache.keep(name, PICTURE)
    assert cache.take("too large") is None
    assert cache.take("c") is None
    assert cache.take("a") is PICTURE
    assert cache.take("a") is None
    cache.keep("c", PICTURE)
    assert cache.take("c") is not None
    assert cache.take("b") is not None, "the same picture takes room once"
    cache.keep("d", PICTURE)
    cache.clear()
    assert cache.take("d") is None
