"""How a combination of rewards is told from a checkpoint: by the suffix of its file."""

from __future__ import annotations

from pathlib import Path

_SUFFIX = ".json"


def is_combination(path: Path) -> bool:
    return path.suffix.lower() == _SUFFIX
