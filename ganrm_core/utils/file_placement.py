"""Copying, moving and hard-linking files without ever losing or overwriting content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from .errors import OutputError, SourceError
from .file_hash import file_sha256
from .files import atomic_file, hard_link, name_taken_error, shown

PlaceMode = Literal["copy", "move", "link"]

_CHUNK = 1 << 20


def place(source: Path, target: Path, mode: PlaceMode) -> None:
    """Copy, move or link the file `source` to the new path `target`, which must not exist yet.

    copy: content, date and permissions. move: removes the source only after the target is verified. link: a hard
    link, or where the disk has none a symbolic link to the source's absolute path. A symbolic link as the source
    stands for its file; moving removes only the link. Raises SourceError where this source cannot be placed,
    OutputError where none can; the content is never lost.
    """
    if mode not in ("copy", "move", "link"):
        raise ValueError(f"mode is copy, move or link, not {mode!r}")
    try:
        real = source.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a symbolic link to itself
        raise SourceError(
            f"Cannot {mode} {shown(source)}: it is no longer there. Refresh the list of files and try again.",
            "it is no longer there",
        ) from error
    if not real.is_file():
        raise SourceError(
            f"Cannot {mode} {shown(source)}: it is not a file. Choose a picture file.", "it is not a file"
        )
    if os.path.lexists(target):
        raise name_taken_error(target)
    if mode == "copy":
        copy_file(real, target)
    elif mode == "link":
        _link(real, target)
    else:
        if source.is_symlink() or not hard_link(real, target):
            copy_file(real, target)
        _remove_moved(source, target)


def _link(source: Path, target: Path) -> None:
    if hard_link(source, target):
        return
    try:
        target.symlink_to(source)
    except FileExistsError as error:
        raise name_taken_error(target) from error
    except (OSError, NotImplementedError) as error:
        raise OutputError(
            f"Cannot link {shown(source)} to {shown(target)}: this disk or system allows neither hard "
            "nor symbolic links there. Choose copy instead of link."
        ) from error


def copy_file(source: Path, target: Path) -> None:
    """Copy, verified by reading back before the target appears."""
    with atomic_file(target) as temporary:
        digest = hashlib.sha256()
        with _reader(source) as reader, temporary.open("wb") as writer:
            for block in _blocks(reader, source):
                digest.update(block)
                writer.write(block)
            writer.flush()
            os.fsync(writer.fileno())
            complete = os.fstat(reader.fileno()).st_size == os.fstat(writer.fileno()).st_size
        if not complete or digest.hexdigest() != file_sha256(temporary):
            raise SourceError(
                f"The copy of {shown(source)} in {shown(target.parent)} does not match the original, "
                "which is untouched. Check that no program is writing to it and that the disk is "
                "healthy, then try again.",
                "its copy does not match it",
            )
        with contextlib.suppress(OSError):  # some disks keep no dates or permissions
            shutil.copystat(source, temporary)


def _reader(source: Path) -> BinaryIO:
    try:
        return source.open("rb")
    except OSError as error:
        raise _unreadable(source, error) from error


def _blocks(reader: BinaryIO, source: Path) -> Iterator[bytes]:
    try:
        while block := reader.read(_CHUNK):
            yield block
    except OSError as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: OSError) -> SourceError:
    why = error.strerror or str(error)
    return SourceError(
        f"Cannot read {shown(source)}: {why}. Check the file and its permissions.",
        f"it cannot be read: {why}",
    )


def _remove_moved(source: Path, target: Path) -> None:
    try:
        source.unlink()
    except OSError as error:
        why = error.strerror or str(error)
        raise SourceError(
            f"{shown(source)} is now also at {shown(target)}, but the original could not be removed: "
            f"{why}. Remove one of the two by hand.",
            f"it was copied, but the original could not be removed: {why}",
        ) from error
