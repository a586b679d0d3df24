"""Numbered versions of saved model files: `taste`, `taste (2)`, `taste (3)` … are one series, the newest counts.

A version that was replaced is renamed to `taste (before 2026-11-28 19.20.05)`, which belongs to no series.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from ..utils.errors import NameTakenError, OutputError
from ..utils.file_names import fitting_name, numbers
from ..utils.files import atomic_file, shown
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


def mark_as_newest(path: Path) -> None:
    """Set the file's time to now, where the file system allows it."""
    with contextlib.suppress(OSError):
        os.utime(path)


def write_replacing(path: Path, content: bytes) -> Path | None:
    """Write a model to `path`; a file there is put aside with its feature archive. Returns its new path, or None.

    Files that other programs write there meanwhile are put aside as well. Nothing is renamed before the content is
    synced to disk. Raises OutputError where it cannot be written.
    """
    aside: Path | None = None
    while True:
        try:
            with atomic_file(path) as temporary:
                with temporary.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())  # a full disk fails here
                aside = _put_aside(path) or aside
        except NameTakenError:  # another program wrote there since
            continue
        return aside


def _put_aside(path: Path) -> Path | None:
    stem = f"{path.stem} ({time.strftime('before %Y-%m-%d %H.%M.%S')})"
    for number in numbers():
        place = path.with_name(fitting_name(path.parent, stem, f"{number}{path.suffix}"))
        if os.path.lexists(archive_path(place)):
            continue
        with contextlib.suppress(NameTakenError):
            if not _renamed(path, place):
                return None
            _renamed(archive_path(path), archive_path(place))
            return place
    raise AssertionError("there is always another number")


def _renamed(path: Path, place: Path) -> bool:
    """Rename `path` to the free name `place`, atomically among programs; False where there is nothing at `path`."""
    with atomic_file(place):
        pass  # an empty file reserves the name
    try:
        path.replace(place)
    except OSError as error:
        place.unlink(missing_ok=True)
        if isinstance(error, FileNotFoundError):
            return False
        raise OutputError(
            f"Cannot put {shown(path)} aside: {error.strerror or error}. Close the programs that use it, or choose another "
            "name."
        ) from error
    return True


def _age(path: Path) -> tuple[int, int]:
    match = _NUMBERED.fullmatch(path.stem)
    return path.stat().st_mtime_ns, int(match["number"]) if match else 1
