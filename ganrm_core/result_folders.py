"""Folders that a selection is placed into: found again, named anew, and never left half done."""

from __future__ import annotations

import codecs
import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from .errors import OutputError
from .files import check_new_file, shown

TABLE, SHEET = "scores.csv", "contact_sheet.jpg"
COLUMNS = ("file", "group", "rank", "kept", "score", "logit", "uncertainty", "kept_as", "skipped")
"""The head of the table, by which a folder that holds a selection is known."""
_HEADS = {
    ",".join(COLUMNS).encode("ascii"),
    ",".join(COLUMNS[:-1]).encode("ascii"),
}  # earlier ones had one less


def is_selection(folder: Path) -> bool:
    """Whether a selection was placed into `folder`, contact sheet and all."""
    try:
        with (folder / TABLE).open("rb") as file:
            return file.readline(200).removeprefix(codecs.BOM_UTF8).strip() in _HEADS
    except OSError:
        return False


def outside_results(folder: Path, files: Sequence[Path]) -> list[Path]:
    """`files` of `folder` without those in folders below it that hold an earlier selection."""
    known: dict[Path, bool] = {}

    def is_result(place: Path) -> bool:
        if place not in known:
            known[place] = is_selection(place)
        return known[place]

    def stays(path: Path) -> bool:
        inner = path.relative_to(folder).parents
        return not any(is_result(folder / place) for place in inner if place != Path())

    return [path for path in files if stays(path)]


def free_folder(wanted: Path) -> Path:
    """`wanted`, or the first of `wanted (2)`, `wanted (3)` … that is absent or an empty folder."""
    candidate, number = wanted, 2
    while not _is_free(candidate):
        candidate = wanted.with_name(f"{wanted.name} ({number})")
        number += 1
    return candidate


def check_folder(output: Path) -> None:
    """Raise OutputError now if making the folder `output` would fail later. Nothing is left behind."""
    existing = next(place for place in (output, *output.parents) if place.exists())
    check_new_file(existing / output.name, what="the best pictures")


@contextlib.contextmanager
def whole_folder(output: Path) -> Iterator[Path]:
    """Fill the hidden folder this yields; on leaving it becomes `output`, which is absent or empty.

    On any exception nothing remains, neither of it nor of folders above that were made for it.
    """
    absent = [place for place in output.parents if not place.exists()]
    staging = output.with_name(f".{secrets.token_hex(8)}.part")
    done = False
    try:
        try:
            staging.mkdir(parents=True)
        except OSError as error:
            raise _cannot_be_made(output, error) from error
        yield staging
        try:
            if output.is_dir():
                output.rmdir()  # Windows renames onto no folder, not even an empty one
            staging.rename(output)
        except OSError as error:
            raise _cannot_be_made(output, error) from error
        done = True
    finally:
        if not done:
            shutil.rmtree(staging, ignore_errors=True)
            for place in absent:
                with contextlib.suppress(OSError):
                    place.rmdir()


def _is_free(folder: Path) -> bool:
    if not os.path.lexists(folder):
        return True
    try:
        return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())
    except OSError:
        return False


def _cannot_be_made(output: Path, error: OSError) -> OutputError:
    return OutputError(f"The folder {shown(output)} cannot be made ({error.strerror}). Choose another.")
