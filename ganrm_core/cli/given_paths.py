"""Parsing of path arguments: pasted quotes and `file://` URLs."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes
from urllib.request import url2pathname

_URL = "file://"
_QUOTES = "\"'"


def given_path(text: str) -> Path:
    """The path meant by `text`: file managers copy it in quotes, or as a file:// URL.

    A file whose name really has the quotes comes first.
    """
    if os.path.lexists(text):
        return Path(text)
    if len(text) > 2 and text[0] in _QUOTES and text[0] == text[-1]:
        text = text[1:-1]
    return _from_url(text) if text.startswith(_URL) else Path(text)


def _from_url(url: str) -> Path:
    place = url.removeprefix(_URL).removeprefix("localhost")
    if os.name == "nt":
        return Path(url2pathname(place))
    return Path(os.fsdecode(unquote_to_bytes(os.fsencode(place))))
