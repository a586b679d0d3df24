"""File names: shortened to the file system's limit, and numbered where they are taken."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

_EVERY_DISK, _MOST_DISKS = 143, 255
"""Longest file name in bytes: on eCryptfs, and on nearly every other file system."""
_LONGEST_SUFFIX = 20
_DIGITS = 8


def fitting_name(folder: Path, stem: str, ending: str) -> str:
    """`stem + ending`, with the stem truncated where the file system of `folder` holds no name that long.

    Truncated stems end in `~` and digits of their hash: equal stems give equal names, different ones different names.
    """
    name = stem + ending
    if _length(name) <= _EVERY_DISK or _length(name) <= (most := longest_name(folder)):
        return name
    tail = f"~{hashlib.sha256(os.fsencode(stem)).hexdigest()[:_DIGITS]}{ending}"
    lengths = itertools.accumulate(map(_length, stem))
    kept = sum(length <= most - _length(tail) for length in lengths)
    return stem[:kept] + tail


def fits(path: Path) -> bool:
    """Whether the file system holds a name as long as that of `path`."""
    return _length(path.name) <= _EVERY_DISK or _length(path.name) <= longest_name(path.parent)


def longest_name(folder: Path) -> int:
    """Longest file name in `folder`, which need not exist yet: in bytes, or UTF-16 units on Windows."""
    existing = next((place for place in (folder, *folder.parents) if place.exists()), Path())
    try:
        most = os.pathconf(existing, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows has no pathconf, some shares no answer
        return _MOST_DISKS
    # FAT answers with more than it holds, others with -1.
    return min(most, _MOST_DISKS) if most > 0 else _MOST_DISKS


def numbers() -> Iterator[str]:
    """Suffixes for a stem that is taken: "", " (2)", " (3)" …"""
    yield ""
    yield from (f" ({number})" for number in itertools.count(2))


def unique_name(folder: Path, name: str, is_taken: Callable[[str], bool]) -> str:
    """`name`, or the first free of `name (2)`, `name (3)` …, with the number before the suffix; see `fitting_name`."""
    stem, suffix = split_name(name)
    names = (fitting_name(folder, stem, f"{number}{suffix}") for number in numbers())
    return next(candidate for candidate in names if not is_taken(candidate))


def split_name(name: str) -> tuple[str, str]:
    """Stem and suffix; what follows the last full stop of a sentence is no suffix."""
    plain = Path(name)
    return (plain.stem, plain.suffix) if len(plain.suffix) <= _LONGEST_SUFFIX else (name, "")


def _length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2 if os.name == "nt" else len(os.fsencode(text))
