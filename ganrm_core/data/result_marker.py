"""PNG marker for maps, masks and sheets that the commands draw, by which they are not read as pictures later."""

from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image

from .image_metadata import write_png

_KEY = "ganrm_result"
_CHUNK = b"tEXt" + _KEY.encode("ascii") + b"\0"
_HEAD = 200  # bytes of a file of ours that hold the mark, which comes right behind the header
_NAME = re.compile(r"(.+\.(map|mask)( \(\d+\))?|best_of_n)\.png", re.IGNORECASE | re.DOTALL)


def marked_png(picture: Image.Image, kind: str) -> bytes:
    """`picture` as a PNG file that says it is of that `kind` ("map", "mask" or "sheet"), and nobody's own."""
    encoded = io.BytesIO()
    write_png(picture, encoded, {_KEY: kind})
    return encoded.getvalue()


def is_drawn_result(path: Path) -> bool:
    """Whether `path` has a name that `marked_png` is saved under, and its mark; only such names are opened."""
    if not _NAME.fullmatch(path.name):
        return False
    try:
        with path.open("rb") as file:
            return _CHUNK in file.read(_HEAD)
    except OSError:
        return False
