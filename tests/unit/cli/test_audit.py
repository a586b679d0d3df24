"""What `ganrm audit` prints and returns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Ganrm = Callable[..., Any]


@pytest.fixture(scope="module")
def liked(tmp_path_factory: pytest.TempPathFactory, make_folder: Callable[..., Path]) -> Path:
    return make_folder(tmp_path_factory.mktemp("audit") / "liked", "liked", 14)


@pytest.fixture(scope="module")
def ordinary(liked: Path, make_folder: Callable[..., Path]) -> Path:
    """Other pictures in files of the same kind."""
    return make_folder(liked.with_name("ordinary"), "liked", 14, first=20)


@pytest.fixture(scope="module")
def jpegs(ordinary: Path) -> Path:
    folder = ordinary.with_name("jpegs")
    folder.mkdir()
    for path in ordinary.iterdir():
        Image.open(path).save(folder / f"{path.stem}.jpg", quality=75)
    return folder


def test_findings_are_no_error(ganrm: Ganrm, liked: Path, jpegs: Path) -> None:
    ran = ganrm("audit", "--liked", liked, "--ordinary", jpegs)
    assert ran.code == 0
    assert ran.lines[0].split(maxsplit=1) == ["pictures", "14 liked, 14 ordinary"]
    (compression,) = [line for line in ran.lines if line.startswith("compression")]
    assert compression.split(maxsplit=1)[1].split("]") == ["1.000 [0.786, 1.000", "    tells them apart"]
    assert "the liked ones are PNGs, the ordinary ones JPEGs of quality about 75 (AUC 1.00)" in ran.out
    (found,) = ganrm("audit", "--liked", liked, "--ordinary", jpegs, "--json").json
    family = found["families"][0]
    assert (family["name"], family["separates"], family["auc"][0]) == ("compression", True, 1)
    assert (found["n_liked"], found["n_ordinary"], found["skipped"]) == (14, 14, [])


def test_clean_folders(ganrm: Ganrm, liked: Path, ordinary: Path) -> None:
    ran = ganrm("audit", "--liked", liked, "--ordinary", ordinary)
    assert ran.code == 0
    assert "tells them apart" not in ran.out
    assert ran.lines[-1].startswith("Nothing but the pictures themselves")


def test_bad_folders(ganrm: Ganrm, liked: Path, tmp_path: Path) -> None:
    assert ganrm("audit", "--liked", liked, "--ordinary", tmp_path / "none").code == 2
    same = ganrm("audit", "--liked", liked, "--ordinary", liked)
    assert (same.code, "are the same" in same.err) == (2, True)
