"""A second run that publishes under the same names between our look at them and our writing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.cli import heatmap
from ganrm_core.selection import folder
from ganrm_core.training import feature_archive

Ganrm = Callable[..., Any]


def test_a_training_is_not_lost(
    trained: Any, tiny_transformer: str, tmp_path: Path, ganrm: Ganrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = feature_archive.write_model

    def overtaken(path: Path, *rest: Any) -> Path:
        path.write_text("theirs")
        (tmp_path / "r.html").write_text("theirs")
        return save(path, *rest)

    monkeypatch.setattr(feature_archive, "write_model", overtaken)
    ran = ganrm(
        *("train", "--liked", trained.liked, "--ordinary", trained.ordinary, "--backbone", tiny_transformer),
        *(
            "--preset",
            "paper",
            "--output",
            tmp_path / "a.safetensors",
            "--report",
            tmp_path / "r.html",
            "--json",
        ),
    )
    assert ran.code == 0, ran.err
    assert ran.json[0]["written"] == str(tmp_path / "a (2).safetensors")
    assert 'a.safetensors" was taken by another program' in ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a (2).safetensors",
        "a.safetensors",
        "r (2).html",
        "r.html",
    ]
    assert (tmp_path / "a.safetensors").read_text() == (tmp_path / "r.html").read_text() == "theirs"


def test_a_selection_goes_into_the_next_folder(
    trained: Any, tmp_path: Path, ganrm: Ganrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder.place_selection

    def overtaken(selection: Any, output: Path, *rest: Any) -> Any:
        place(selection, output, *rest)
        return place(selection, output, *rest)

    monkeypatch.setattr(folder, "place_selection", overtaken)
    ran = ganrm("best", trained.checkpoint, trained.liked, "--output", tmp_path / "best")
    assert ran.code == 0, ran.err
    assert f"written  {tmp_path / 'best (2)'} " in ran.out
    first, second = ({path.name for path in (tmp_path / name).iterdir()} for name in ("best", "best (2)"))
    assert first == second
    assert len(first) == 3


def test_maps_and_masks_keep_one_number(
    trained: Any, tmp_path: Path, ganrm: Ganrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, maps = heatmap._write, tmp_path / "maps"

    def overtaken(folder: Path, stem: str, drawn: Any) -> list[Path]:
        (folder / f"{stem}.mask.png").write_text("theirs")
        return write(folder, stem, drawn)

    monkeypatch.setattr(heatmap, "_write", overtaken)
    picture = min(trained.liked.iterdir())
    ran = ganrm("heatmap", trained.checkpoint, picture, "--output", maps)
    assert ran.code == 0, ran.err
    assert sorted(path.name for path in maps.iterdir()) == [
        f"{picture.stem}.map (2).png",
        f"{picture.stem}.mask (2).png",
        f"{picture.stem}.mask.png",
    ]
    ran = ganrm("score", trained.checkpoint, maps)
    assert "no picture of its own" not in ran.err, "their mask has no mark"
    assert ran.code == 2
