"""Folders of plain pictures, and Score Folder run on them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

NODE = "GANRMScoreFolder"
LEVELS = {"a.png": 40, "b.png": 200, "c.png": 120, "d.png": 250, "e.png": 10}


@pytest.fixture
def shots(folders: Any) -> Path:
    return fill(folders.input / "shots", LEVELS)


def fill(folder: Path, levels: dict[str, int]) -> Path:
    for name, level in levels.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 9), (level, level, level)).save(path)
    return folder


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def rows(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table)))


def names(result: Any) -> list[str]:
    """The files of the table, best first."""
    return [row["file"] for row in rows(result["table"])]


def run(pack: Any, reward: Any, **inputs: Any) -> Any:
    return pack.run(NODE, **{"folder": "input/shots", "reward": reward, "keep": 2, **inputs})
