"""Where a model came from, without naming the machine it was made on."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from ..data.content_hash import fingerprint
from .feature_extraction import CachedPictures

_LIBRARIES = ("gan-rm", "torch", "timm", "transformers", "open_clip_torch", "peft", "pillow", "numpy")


def provenance(pictures: CachedPictures, settings: Mapping[str, Any], device_type: str) -> dict[str, Any]:
    """Counts and fingerprints of both sets, settings, versions and date; no paths."""
    by_label = {
        label: [h for h, y in zip(pictures.hashes, pictures.labels, strict=True) if y == label]
        for label in (0, 1)
    }
    return {
        "n_liked": len(by_label[1]),
        "n_ordinary": len(by_label[0]),
        "n_skipped": len(pictures.skipped),
        "liked_fingerprint": fingerprint(by_label[1]),
        "ordinary_fingerprint": fingerprint(by_label[0]),
        "order_fingerprint": order_fingerprint(pictures.hashes),
        "settings": dict(settings),
        "device": device_type,
        "versions": {name: _version(name) for name in _LIBRARIES},
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def order_fingerprint(hashes: Sequence[str]) -> str:
    """One sha256 (hex) for content hashes in this very order, which decides who is in which fold."""
    return hashlib.sha256("\n".join(hashes).encode("ascii")).hexdigest()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
