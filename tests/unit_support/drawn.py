"""Drawn pictures: where a colour is, and the text that was written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]


def where(picture: Image.Image, colour: Colour) -> NDArray[np.bool_]:
    """bool [H, W]: the pixels of exactly this colour."""
    packed = np.asarray(picture.convert("RGBA")).view("<u4")[..., 0]  # one comparison instead of three
    found: NDArray[np.bool_] = packed == int.from_bytes((*colour, 255), "little")
    return found


def box_of(picture: Image.Image, colour: Colour) -> tuple[int, int, int, int]:
    """left, top, right, bottom of the pixels of exactly this colour, which must fill the box."""
    found = where(picture, colour)
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    left, top, right, bottom = (int(end) for end in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    assert found[top:bottom, left:right].all()
    return left, top, right, bottom


def margins(picture: Image.Image, left: int, top: int, bottom: int | None = None) -> list[NDArray[Any]]:
    """Pixels of the strips along the four edges, `left` wide at the sides."""
    pixels = np.asarray(picture)
    return [pixels[:, :left], pixels[:, -left:], pixels[:top], pixels[-(bottom or top) :]]


def colour_of(index: int) -> Colour:
    """One of at least 16 colours that no report draws with."""
    return 0, 100 + 6 * index, 250 - 6 * index


@dataclass
class Written:
    """Every line of text that Pillow drew, and the height of its letters in pixels."""

    lines: list[tuple[str, float]] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.lines]

    def __contains__(self, text: str) -> bool:
        return text in self.texts

    def of(self, draw: Callable[..., object], *arguments: Any, **options: Any) -> list[str]:
        """The texts of this one call."""
        self.lines.clear()
        draw(*arguments, **options)
        return self.texts


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """Records what Pillow writes from now on."""
    found = Written()
    original = ImageDraw.ImageDraw.text

    def recording(self: Any, place: Any, text: str, *rest: Any, **options: Any) -> None:
        found.lines.append((text, getattr(options.get("font"), "size", 0)))
        original(self, place, text, *rest, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", recording)
    return found
