"""Provenance section of a checkpoint's card: training set fingerprints, settings, library versions; no paths."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from ..data.content_hash import fingerprint
from .picture_table import PictureTable

_LIBRARIES = ("gan-rm", "torch", "timm", "transformers", "open_clip_torch", "peft", "pillow", "numpy")


def provenance(
    table: PictureTable, settings: Mapping[str, Any], *, skipped: int, device_type: str
) -> dict[str, Any]:
    """The section, with `skipped` unreadable files."""
    return {
        **set_fingerprints(table, skipped),
        "order_fingerprint": order_fingerprint(table.hashes),
        "settings": dict(settings),
        "device": device_type,
        "versions": {name: _version(name) for name in _LIBRARIES},
        "date": timestamp(),
    }


def set_fingerprints(table: PictureTable, skipped: int) -> dict[str, Any]:
    """Counts and fingerprints of both sets."""
    liked, ordinary = table.hashes_of(1), table.hashes_of(0)
    return {
        "n_liked": len(liked),
        "n_ordinary": len(ordinary),
        "n_skipped": skipped,
        "liked_fingerprint": fingerprint(liked),
        "ordinary_fingerprint": fingerprint(ordinary),
    }


def timestamp() -> str:
    """Now in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def order_fingerprint(hashes: Sequence[str]) -> str:
    """One sha256 (hex) for content hashes in this order, which decides the folds."""
    return hashlib.sha256("\n".join(hashes).encode("ascii")).hexdigest()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
