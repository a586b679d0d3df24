"""Folder fingerprints, by which ComfyUI's cache notices changed files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ...ganrm_core.data.image_folder import find_images
from ...ganrm_core.data.ratings import sidecars
from ...ganrm_core.utils.errors import GanRMError
from . import folders


def folder_fingerprint(value: str | None, recursive: bool, *, rated: bool = False) -> str:
    """SHA-256 (hex) of names, sizes and modification times of the images in a combo's folder.

    `rated`: of what else tells that a rating was changed, too: sidecars, and what no program sets back, since many that
    write a rating into a file keep its size and modification time.
    `value` is None for a linked input, whose value ComfyUI does not tell: nothing is read then. Folders of earlier
    results do not count (see `find_images`), so a node that writes them does not trigger itself. Never raises; an
    unreadable folder has a fingerprint as well.
    """
    if value is None:
        return "linked"
    try:
        folder = folders.resolve_folder(value)
        lines = []
        for path in find_images(folder, recursive=bool(recursive)):
            lines.append(_line(path, folder, changed=rated))
            lines += [_line(each, folder, changed=True) for each in sidecars(path)] if rated else []
    except (GanRMError, OSError, ValueError) as error:
        lines = [f"{type(error).__name__} {error}"]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _line(path: Path, folder: Path, *, changed: bool = False) -> str:
    """`changed`: with the time of the last change of any kind, and the number of the file on its disk."""
    name = path.relative_to(folder).as_posix()
    try:
        status = path.stat()
    except OSError:  # a dangling link
        return f"{name!r} missing"
    more = f" {status.st_ctime_ns} {status.st_ino}" if changed else ""
    return f"{name!r} {status.st_size} {status.st_mtime_ns}{more}"
