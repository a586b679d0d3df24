"""Report cards as nodes show them."""

from __future__ import annotations

import numpy as np
from PIL import Image

_MOST_HEIGHT = 1400


def top_of(card: Image.Image) -> Image.Image:
    """The upper parts of a report card, whole ones: all of it would be too small to read inside a node."""
    if card.height <= _MOST_HEIGHT:
        return card
    pixels = np.asarray(card)[:_MOST_HEIGHT]
    gaps = np.flatnonzero((pixels == pixels[0, 0]).all(axis=(1, 2)))
    return card.crop((0, 0, card.width, int(gaps[-1]) + 1))
