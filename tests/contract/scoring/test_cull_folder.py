"""Node "Cull Folder": what forms a group, what is copied, and what it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract_support.folders import files, rows
from contract_support.pack import Folders, Pack
from PIL import Image, ImageEnhance

NODE = "GANRMCullFolder"


def scene(seed: int) -> Image.Image:
    small = np.random.default_rng(seed).integers(40, 200, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((96, 96), Image.Resampling.BICUBIC)


@pytest.fixture
def shoot(folders: Folders) -> Path:
    """Scene 0 three times, scene 1 alone, scene 2 twice; the brightest is the best."""
    home = folders.input / "shoot"
    home.mkdir(parents=True)
    for name, seed, light in (
        ("a", 0, 0.8),
        ("b", 0, 1.2),
        ("c", 0, 1.0),
        ("d", 1, 1.0),
        ("e", 2, 1.0),
        ("f", 2, 0.9),
    ):
        ImageEnhance.Brightness(scene(seed)).enhance(light).save(home / f"{name}.png")
    return home


@pytest.fixture
def cull(pack: Pack, bright: Any, shoot: Path) -> Callable[..., Any]:
    return lambda **inputs: pack.run(NODE, **{"folder": "input/shoot", "reward": bright, **inputs})


def test_the_best_of_each_group_is_copied(cull: Any, shoot: Path, folders: Folders) -> None:
    before = {path.name: path.read_bytes() for path in shoot.iterdir()}
    result = cull()
    culled = folders.output / "culled"
    assert files(folders.output) == [
        "culled",
        *(f"culled/{name}" for name in ("b.png", "d.png", "e.png", "scores.csv")),
    ]
    assert (culled / "b.png").read_bytes() == before["b.png"]
    assert {path.name: path.read_bytes() for path in shoot.iterdir()} == before
    assert result["kept_folder"] == "output/culled"
    assert result["summary"] == (
        "3 of 6 pictures are kept. The other 3 are like one of them, and score lower. 3 copied to output/culled."
    )
    table = [
        (row["file"][0], row["group"], row["rank"], row["kept"], row["number"])
        for row in rows(result["table"])
    ]
    assert table == [
        *(("b", "1", "1", "1", "2"), ("c", "1", "2", "0", "3"), ("a", "1", "3", "0", "1")),
        *(("d", "2", "1", "1", "4"), ("e", "3", "1", "1", "5"), ("f", "3", "2", "0", "6")),
    ]
    assert result.ui["kept"] == ["b.png", "d.png", "e.png"]
    assert len(result.ui["images"]) == 1


def test_the_groups_are_drawn_the_largest_first(
    pack: Pack, cull: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    module = pack.module("nodes.scoring.cull_folder")
    real = module.ranked_sheet
    monkeypatch.setattr(
        module, "ranked_sheet", lambda entries, **more: drawn.append(entries) or real(entries, **more)
    )
    cull(place="nothing")
    assert [(entry.number, entry.group, entry.kept) for entry in drawn[0]] == [
        *((2, 0, True), (3, 0, False), (1, 0, False), (5, 2, True), (6, 2, False))
    ]


@pytest.mark.parametrize(
    ("inputs", "kept"), [({"keep": 2}, "bcdef"), ({"within": 1}, "bde"), ({"alike": "copies"}, "bde")]
)
def test_settings(cull: Any, inputs: dict[str, Any], kept: str) -> None:
    assert sorted(name[0] for name in cull(**inputs).ui["kept"]) == list(kept)


def test_nothing_is_placed_where_only_the_groups_are_asked_for(
    cull: Any, folders: Folders, is_blocked: Any
) -> None:
    result = cull(place="nothing")
    assert is_blocked(result["kept_folder"])
    assert files(folders.output) == []
    assert result["summary"].endswith("and score lower.")


def test_a_folder_without_likeness_says_so(cull: Any, shoot: Path) -> None:
    for name in "acf":
        (shoot / f"{name}.png").unlink()
    assert cull()["summary"].startswith("None of the 3 pictures is like another: all are kept.")


def test_bad_files_are_listed(cull: Any, shoot: Path) -> None:
    (shoot / "bad.png").write_bytes(b"no picture")
    result = cull()
    assert rows(result["table"])[-1]["skipped"] == "it is no picture"
    assert '"bad.png"' in result["summary"]
