"""Taste card of a model: its words, and the best and the worst pictures of a folder, no two of them alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..data.image_io import read_image, to_pil
from ..data.near_duplicates import BURST, signature
from ..reports.taste_card import PICTURE, SHOWN, TasteCard, square, taste_card
from ..utils.errors import DataError, ImageError
from .folder_results import FolderSelection, Row
from .taste_words import NOT_STATED, CardText, taste_words

METADATA_KEY = "ganrm_card"
"""Key of a card's own metadata in its PNG file."""


def make_taste_card(
    text: CardText, model_card: Mapping[str, Any], sha256: str, selection: FolderSelection
) -> Image.Image:
    """Draw the card of a model for a ranked folder: at most nine pictures of its better half, and nine of its lower.

    `model_card`: the checkpoint's JSON object, `sha256` (hex) that of its file. Of pictures that are alike only the first is
    shown; files that cannot be read any more are passed over. The same input gives the same pixels. Raises DataError
    where fewer than two pictures were scored.
    """
    ranked = sorted(selection.rows, key=lambda row: row.rank)
    if len(ranked) < 2:
        raise DataError(
            "A taste card shows the best and the worst pictures of a folder, and here is only one that can be read. Choose a "
            "folder with at least 18."
        )
    half = (len(ranked) + 1) // 2
    words = taste_words(text, model_card, sha256)
    return taste_card(TasteCard(words, _distinct(ranked[:half]), _distinct(ranked[half:][::-1])))


def card_metadata(text: CardText, sha256: str) -> dict[str, str]:
    """PNG texts of a card: the name, the whole sha256 of the model's file, its licence and its author, as JSON."""
    author = {"author": text.author} if text.author else {}
    values = {"name": text.name, "sha256": sha256, "licence": text.licence or NOT_STATED, **author}
    return {METADATA_KEY: json.dumps(values)}


def _distinct(rows: Sequence[Row]) -> list[Image.Image]:
    found: list[Image.Image] = []
    known: list[NDArray[np.float32]] = []
    for pixels in _readable(rows):
        vector = signature(pixels)
        if any(float(vector @ other) >= BURST for other in known):
            continue
        known.append(vector)
        # Only the square: nine large pictures need not be in memory.
        found.append(square(to_pil(pixels), PICTURE))
        if len(found) == SHOWN:
            break
    return found


def _readable(rows: Sequence[Row]) -> Iterator[Tensor]:
    for row in rows:
        try:
            yield read_image(row.path)
        except ImageError:
            continue
