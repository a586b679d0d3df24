"""Decoded pictures wait in memory, so many and no more."""

from __future__ import annotations

import pytest
import torch

from ganrm_core.data import image_cache
from ganrm_core.data.image_cache import ImageCache

PICTURE = torch.zeros(3, 10, 10, dtype=torch.uint8)


@pytest.fixture(autouse=True)
def room_for_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "_MOST_BYTES", 2 * PICTURE.nbytes)


def test_each_is_given_once() -> None:
    pictures = ImageCache()
    pictures.keep("a", PICTURE)
    assert pictures.take("a") is PICTURE
    assert pictures.take("a") is None
    assert pictures.take("another") is None


def test_what_does_not_fit_is_not_kept_and_what_is_taken_makes_room() -> None:
    pictures = ImageCache()
    pictures.keep("too large", torch.zeros(3, 20, 10, 2, dtype=torch.uint8))
    for name in "abc":
        pictures.keep(name, PICTURE)
    assert pictures.take("too large") is None
    assert pictures.take("c") is None
    assert pictures.take("a") is not None
    pictures.keep("c", PICTURE)
    assert pictures.take("c") is not None


def test_the_same_picture_takes_room_once() -> None:
    pictures = ImageCache()
    for name in "aaab":
        pictures.keep(name, PICTURE)
    assert pictures.take("b") is not None


def test_none_is_left_when_cleared() -> None:
    pictures = ImageCache()
    for name in "ab":
        pictures.keep(name, PICTURE)
    pictures.clear()
    assert pictures.take("a") is None
    for name in "cd":
        pictures.keep(name, PICTURE)
    assert pictures.take("d") is not None
