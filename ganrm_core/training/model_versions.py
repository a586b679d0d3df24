"""Numbered versions of saved model files: `taste`, `taste (2)`, `taste (3)` … are one series, the newest counts.

A version that was replaced is called `taste (before 2026-11-28 19.20.05)`, which belongs to no series.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from ..utils.errors import NameTakenError, OutputError, SourceError
from ..utils.file_lock import lock
from ..utils.file_names import fitting_name, numbers
from ..utils.file_placement import copy_file
from ..utils.files import atomic_file, hard_link, shown
from .feature_archive import archive_path

_NUMBERED = re.compile(r"(?P<series>.+) \((?P<number>\d+)\)")
_ASIDE = re.compile(r".+ \(before \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\)(?: \(\d+\))?")


def series_of(stem: str) -> str | None:
    """Name of the series that a file stem belongs to; None for a version that was put aside."""
    if _ASIDE.fullmatch(stem):
        return None
    match = _NUMBERED.fullmatch(stem)
    return match["series"] if match else stem


def newest(versions: Iterable[Path]) -> Path | None:
    """The version saved last; of several saved at the same time the one with the highest number."""
    return max((path for path in versions if path.is_file()), key=_age, default=None)


def write_replacing(path: Path, content: bytes) -> Path | None:
    """Write a model to `path`; a file there is put aside with its feature archive. Returns its new path, or None.

    At any moment there is a whole model at `path` if there was one before, and what other programs write there
    meanwhile is put aside as well. Nothing is changed before the content is synced to disk. Raises OutputError where it
    cannot be written.
    """
    aside: Path | None = None
    with lock(path.parent, wait=True):  # two that find the same file there would put it aside once for both
        while True:
            taken = os.path.lexists(path)
            try:
                with atomic_file(path, overwrite=taken) as temporary:
                    with temporary.open("wb") as file:
                        file.write(content)
                        file.flush()
                        os.fsync(file.fileno())  # a full disk fails here
                    aside = (_put_aside(path) if taken else None) or aside
            except NameTakenError:  # another program wrote there since
                continue
            return aside


def _put_aside(path: Path) -> Path | None:
    """Give the file at `path` and its archive a second name, and take the first one from the archive."""
    if not path.is_file() and not path.is_symlink():
        if not path.exists():  # gone since
            return None
        raise OutputError(f"Cannot put {shown(path)} aside: it is not a file. Choose another name.")
    stem = f"{path.stem} ({time.strftime('before %Y-%m-%d %H.%M.%S')})"
    for number in numbers():
        place = path.with_name(fitting_name(path.parent, stem, f"{number}{path.suffix}"))
        if os.path.lexists(archive_path(place)):
            continue
        with contextlib.suppress(NameTakenError):
            _name_too(path, place)
            archive = archive_path(path)
            if archive.is_file():
                _name_too(archive, archive_path(place))
                # Before the new model is there: it would look like that one's.
                archive.unlink(missing_ok=True)
            return place
    raise AssertionError("there is always another number")


def _name_too(path: Path, place: Path) -> None:
    """Make the content of `path` known as the free name `place`, too."""
    try:
        if not hard_link(path, place):
            copy_file(path, place)
    except SourceError as error:
        raise OutputError(f"Cannot put {shown(path)} aside: {error.reason}. Choose another name.") from error


def _age(path: Path) -> tuple[int, int]:
    match = _NUMBERED.fullmatch(path.stem)
    return path.stat().st_mtime_ns, int(match["number"]) if match else 1
