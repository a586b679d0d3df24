"""PNG marker for drawn results (maps, masks, sheets), so that they are not listed as pictures later."""

from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image

from .image_metadata import write_png

_KEY = "ganrm_result"
_CHUNK = b"tEXt" + _KEY.encode("ascii") + b"\0"
_HEAD = 200  # bytes: the marker is right behind the header
_NAME = re.compile(r"(.+\.(map|mask)( \(\d+\))?|best_of_n)\.png", re.IGNORECASE | re.DOTALL)


def marked_png(picture: Image.Image, kind: str) -> bytes:
    """Encode `picture` as PNG with a marker of its `kind`: "map", "mask" or "sheet"."""
    encoded = io.BytesIO()
    write_png(picture, encoded, {_KEY: kind})
    return encoded.getvalue()


def is_drawn_result(path: Path) -> bool:
    """Whether `path` has the name of a drawn result and holds the marker; only files of such names are opened."""
    if not _NAME.fullmatch(path.name):
        return False
    try:
        with path.open("rb") as file:
            return _CHUNK in file.read(_HEAD)
    except OSError:
        return False
