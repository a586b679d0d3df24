"""Parsing of path arguments: pasted quotes, `file://` URLs, glob patterns, and URLs of buckets."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from urllib.parse import unquote_to_bytes
from urllib.request import url2pathname

_URL = "file://"
_QUOTES = "\"'"


def given_path(text: str) -> Path:
    """The path that `text` means: file managers copy it in quotes, or as a file:// URL.

    An existing file of exactly that name takes precedence.
    """
    if os.path.lexists(text):
        return Path(text)
    if len(text) > 2 and text[0] in _QUOTES and text[0] == text[-1]:
        text = text[1:-1]
    return _from_url(text) if text.startswith(_URL) else Path(text)


def given_place(text: str) -> Path | str:
    """As `given_path`; the URL itself where `text` names a bucket or another remote place, such as s3://bucket/folder."""
    from ..distributed.storage import is_url

    return (
        text if is_url(text) and not text.startswith(_URL) and not os.path.lexists(text) else given_path(text)
    )


def local_path(place: Path | str) -> Path:
    """The path. Raises DataError for a URL, which this machine alone does not read."""
    from ..utils.errors import DataError

    if isinstance(place, str):
        raise DataError(
            f"{place} is no path on this machine. Give --engine ray to read URLs, or copy the pictures here."
        )
    return place


def expanded(path: Path) -> list[Path]:
    """The files and folders that match a pattern such as `outputs/*.png`; [path] where it is none or matches none.

    Windows' shells leave this to the program. An existing file of exactly that name takes precedence.
    """
    pattern = os.fspath(path)
    if os.path.lexists(path) or not glob.has_magic(pattern):
        return [path]
    # Path.glob takes no absolute pattern.
    return [Path(found) for found in sorted(glob.glob(pattern, recursive=True))] or [path]  # noqa: PTH207


def _from_url(url: str) -> Path:
    place = url.removeprefix(_URL).removeprefix("localhost")
    if os.name == "nt":
        return Path(url2pathname(place))
    return Path(os.fsdecode(unquote_to_bytes(os.fsencode(place))))
