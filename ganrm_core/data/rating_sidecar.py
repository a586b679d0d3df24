"""Writing a star rating beside a picture, never into it and never over anything."""

from __future__ import annotations

from pathlib import Path

from ..utils.errors import ImageError, NameTakenError
from ..utils.file_names import fits
from ..utils.files import atomic_file
from .ratings import read_rating, sidecars
from .xmp_rating import rating_packet


def write_sidecar(path: Path, stars: int) -> bool:
    """Write `name.ext.xmp` beside the picture, with 1 to 5 stars marked as given by a model.

    Returns False, with nothing written, where the picture has a sidecar or a rating, where its rating cannot
    be read, and where the name is too long for the disk.
    Raises OutputError where the folder cannot be written to.
    """
    target = path.with_name(f"{path.name}.xmp")
    if sidecars(path) or not fits(target):
        return False
    try:
        if read_rating(path) is not None:
            return False
        with atomic_file(target) as temporary:
            temporary.write_text(rating_packet(stars), encoding="utf-8")
    except (ImageError, NameTakenError):
        return False
    return True
