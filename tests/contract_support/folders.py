"""Folders of plain pictures, and Score Folder run on them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from PIL import Image

NODE = "GANRMScoreFolder"
LEVELS = {"a.png": 40, "b.png": 200, "c.png": 120, "d.png": 250, "e.png": 10}


def fill(folder: Path, levels: dict[str, int]) -> Path:
    for name, level in levels.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 9), (level, level, level)).save(path)
    return folder


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def rows(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table)))


def run(pack: Any, reward: Any, **inputs: Any) -> Any:
    return pack.run(NODE, **{"folder": "input/shots", "reward": reward, "keep": 2, **inputs})
