"""Files skipped while reading, and the sentences that name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..utils.errors import ImageError
from ..utils.files import shown
from ..utils.short_names import short_names
from .image_io import UnreadableImageError

NAMED = 5
"""Default number of files named in a sentence."""


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and a short reason."""

    path: Path
    reason: str


def describe_skipped(skipped: Sequence[Skipped], limit: int = NAMED, among: Sequence[Path] = ()) -> str:
    """A sentence naming at most `limit` files and the reason for each; "" if there are none.

    `among`: all files that were read; names are made unique among them.
    """
    if not skipped:
        return ""
    count = "1 file was" if len(skipped) == 1 else f"{len(skipped)} files were"
    return f"{count} skipped: {names_and_reasons(skipped, limit, among)}."


def names_and_reasons(skipped: Sequence[Skipped], limit: int, among: Sequence[Path] = ()) -> str:
    """Such as `"a.png" (it is empty), "b.png" (it is a folder) and 3 more`; see `describe_skipped`."""
    names = short_names([entry.path for entry in skipped], among)
    named = [
        f"{shown(name)} ({entry.reason})" for name, entry in zip(names[:limit], skipped[:limit], strict=True)
    ]
    if len(skipped) > limit:
        named.append(f"{len(skipped) - limit} more")
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def reason_of(error: ImageError) -> str:
    """The short reason of an error, without file name and advice where it has one."""
    return error.reason if isinstance(error, UnreadableImageError) else str(error).rstrip(".")
