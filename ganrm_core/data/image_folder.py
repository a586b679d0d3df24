"""Listing of image folders in natural order, without hidden files, system folders and earlier results."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..utils.errors import DataError
from ..utils.files import shown
from ..utils.logs import logger_of
from .result_marker import is_drawn_result
from .selection_table import SHEET, is_selection
from .system_folders import is_system_folder

_log = logger_of(__name__)

# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".avif", ".avifs", ".heic", ".heif", ".jxl", ".ppm", ".pgm", ".pbm", ".pnm", ".qoi",
))
# fmt: on
"""File name suffixes (lower case) of pictures."""


_FOLDERS_NAMED = 3
_TO_READ_A_SELECTION = "give the folder of a selection itself"


def find_images(
    folder: str | os.PathLike[str], *, recursive: bool = False, say: Callable[[str], None] | None = None
) -> list[Path]:
    """Picture files in `folder` (with `recursive`, below it too), in natural order: frame2 before frame10.

    Chosen by suffix. Links are followed, each folder once, so that a circle does no harm. Left out are hidden files
    and folders, system folders (see `is_system_folder`), and earlier results: maps, masks and contact sheets drawn
    by the commands, and subfolders that hold a selection; `say` is called with a sentence about those. If `folder`
    itself is a selection, its pictures are listed.

    Raises `DataError` for a folder that is missing, is a file, cannot be listed, or holds no picture.
    """
    root = Path(folder)
    # The path itself breaks ties such as A.png and a.png, so that the order is the same everywhere.
    return sorted(
        each_image(root, recursive=recursive, say=say),
        key=lambda path: (_natural_key(path.relative_to(root)), str(path)),
    )


def each_image(
    folder: str | os.PathLike[str], *, recursive: bool = False, say: Callable[[str], None] | None = None
) -> Iterator[Path]:
    """As `find_images`, but one by one in no order: only the names of one folder at a time are in memory."""
    root = Path(folder)
    if not os.path.lexists(root):
        raise DataError(
            f"There is no folder {shown(root)}. Check the path, or create it and put pictures in."
        )
    if not root.is_dir():
        raise DataError(f"{shown(root)} is not a folder. Give the folder that holds the pictures.")
    listing = _Listing(root, recursive)
    yield from listing.pictures(root)
    if not listing.found:
        raise DataError(_no_picture(listing))
    if say is not None and (results := listing.results):
        advice = f" To read those, {_TO_READ_A_SELECTION}." if listing.selections else ""
        say(f"Left out of {shown(root)} as earlier results: {' and '.join(results)}.{advice}")
    _log.info("found %d pictures in %s", listing.found, shown(root))


@dataclass
class _Listing:
    """Walks what is below `root`, counting pictures, earlier results, and `others` by suffix."""

    root: Path
    recursive: bool
    found: int = 0
    others: Counter[str] = field(default_factory=Counter)
    selections: list[Path] = field(default_factory=list)
    drawn: int = 0
    unread: int = 0  # subfolders
    seen: set[tuple[int, int]] = field(default_factory=set)

    def pictures(self, folder: Path) -> Iterator[Path]:
        subfolders = []
        for entry in self._entries(folder):
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                if not is_system_folder(entry.name):
                    subfolders.append(path)
            elif entry.name == SHEET and is_selection(folder):
                self.others["contact sheet"] += 1
            elif (suffix := path.suffix.lower()) not in IMAGE_SUFFIXES:
                self.others[suffix or "no ending"] += 1
            elif is_drawn_result(path):
                self.drawn += 1
            else:
                # A dangling link counts: reading it reports the error, leaving it out would not.
                self.found += 1
                yield path
        if not self.recursive:
            self.unread += len(subfolders)
            return
        for subfolder in subfolders:
            if is_selection(subfolder):
                self.selections.append(subfolder)
            else:
                yield from self.pictures(subfolder)

    @property
    def results(self) -> list[str]:
        """Phrases for the earlier results that were left out."""
        parts = []
        if self.selections:
            names = [shown(path.relative_to(self.root)) for path in self.selections[:_FOLDERS_NAMED]]
            if len(self.selections) > _FOLDERS_NAMED:
                names.append(f"{len(self.selections) - _FOLDERS_NAMED} more folders")
            parts.append(f"pictures that were selected earlier ({', '.join(names)})")
        if self.drawn:
            parts.append(
                f"{self.drawn} drawing{'s' if self.drawn > 1 else ''} of ganrm (maps, masks, sheets)"
            )
        return parts

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in self.seen:
                return []
            self.seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                # Real folders first: one that a link also leads to is then found under its own name.
                return sorted(listing, key=lambda entry: (entry.is_symlink(), entry.name))
        except OSError as error:
            raise DataError(
                f"Cannot list the folder {shown(folder)}: {error.strerror or error}. Check its permissions."
            ) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _no_picture(listing: _Listing) -> str:
    folder, others = shown(listing.root), listing.others
    parts = listing.results
    what = "no picture of its own" if parts else "no picture"
    if others:
        kinds = ", ".join(f"{count} × {suffix}" for suffix, count in others.most_common(5))
        if len(others) > 5:
            kinds += " and others"
        total = sum(others.values())
        parts.append(f"{total} other file{'s' if total > 1 else ''} ({kinds})")
    if listing.unread:
        parts.append(f"{listing.unread} subfolder{'s' if listing.unread > 1 else ''}")
    if not parts:
        return f"The folder {folder} is empty. Put pictures in it, or choose another folder."
    ways = ["include the subfolders"] if listing.unread else []
    ways += [f"{_TO_READ_A_SELECTION} to read its pictures"] if listing.selections else []
    ways.append("choose a folder with PNG, JPEG, WebP or other picture files")
    advice = ", or ".join(ways)
    return f"The folder {folder} holds {what}, only {' and '.join(parts)}. {advice[0].upper()}{advice[1:]}."


def _natural_key(path: Path) -> list[list[tuple[int, int, str]]]:
    # The suffix comes last, so that cat.png is before cat2.png.
    # Digits compare as numbers and before letters; int() also parses the digits of other scripts.
    return [
        [
            (0, int(piece), "") if piece.isdecimal() else (1, 0, piece)
            for piece in re.split(r"(\d+)", part.casefold())
            if piece
        ]
        for part in (*path.parent.parts, path.stem, path.suffix)
    ]
