"""Telling ComfyUI whether a folder changed since it was last read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ...ganrm_core.data.image_folder import find_images
from ...ganrm_core.utils.errors import GanRMError
from . import folders


def folder_fingerprint(value: str | None, recursive: bool) -> str:
    """Names, sizes and dates of the pictures in the folder a combo names, as one hex string.

    `value` is None where it is linked: ComfyUI tells nobody what a link brings, so nothing is read.
    Earlier results are no pictures (see `find_images`): a node that writes them does not run again because of
    them. Never raises; a folder that cannot be read has a fingerprint as well.
    """
    if value is None:
        return "linked"
    try:
        folder = folders.resolve_folder(value)
        lines = [_line(path, folder) for path in find_images(folder, recursive=bool(recursive))]
    except (GanRMError, OSError, ValueError) as error:
        lines = [f"{type(error).__name__} {error}"]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _line(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).as_posix()
    try:
        status = path.stat()
    except OSError:  # a link to nowhere
        return f"{name!r} missing"
    return f"{name!r} {status.st_size} {status.st_mtime_ns}"
