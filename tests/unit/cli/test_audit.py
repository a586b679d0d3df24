"""What `ganrm audit` prints and returns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Ganrm = Callable[..., Any]
MakeFolder = Callable[..., Path]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, make_folder: MakeFolder) -> tuple[Path, Path, Path]:
    """Liked PNGs, ordinary PNGs of the same kind, and ordinary JPEGs."""
    root = tmp_path_factory.mktemp("audit")
    liked = make_folder(root / "liked", "liked", 14)
    ordinary = make_folder(root / "ordinary", "liked", 14, first=20)
    jpegs = root / "jpegs"
    jpegs.mkdir()
    for path in ordinary.iterdir():
        Image.open(path).save(jpegs / f"{path.stem}.jpg", quality=75)
    return liked, ordinary, jpegs


def test_findings_are_no_error(ganrm: Ganrm, folders: tuple[Path, Path, Path]) -> None:
    liked, _, jpegs = folders
    ran = ganrm("audit", "--liked", liked, "--ordinary", jpegs)
    assert ran.code == 0
    assert ran.lines[0].split(maxsplit=1) == ["pictures", "14 liked, 14 ordinary"]
    (compression,) = [line for line in ran.lines if line.startswith("compression")]
    assert compression.split(maxsplit=1)[1].split("]") == ["1.000 [0.786, 1.000", "    tells them apart"]
    assert "the liked ones are PNGs, the ordinary ones JPEGs of quality about 75 (AUC 1.00)" in ran.out


def test_clean_folders(ganrm: Ganrm, folders: tuple[Path, Path, Path]) -> None:
    liked, ordinary, _ = folders
    ran = ganrm("audit", "--liked", liked, "--ordinary", ordinary)
    assert ran.code == 0
    assert "tells them apart" not in ran.out
    assert ran.lines[-1].startswith("Nothing but the pictures themselves")


def test_json(ganrm: Ganrm, folders: tuple[Path, Path, Path]) -> None:
    liked, _, jpegs = folders
    (found,) = ganrm("audit", "--liked", liked, "--ordinary", jpegs, "--json").json
    compression = found["families"][0]
    assert (compression["name"], compression["separates"]) == ("compression", True)
    assert compression["auc"][0] == 1
    assert (found["n_liked"], found["n_ordinary"]) == (14, 14)


def test_bad_folders(ganrm: Ganrm, folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    liked = folders[0]
    assert ganrm("audit", "--liked", liked, "--ordinary", tmp_path / "none").code == 2
    same = ganrm("audit", "--liked", liked, "--ordinary", liked)
    assert same.code == 2
    assert "are the same" in same.err
