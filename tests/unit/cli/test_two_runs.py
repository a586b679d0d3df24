"""A second run that publishes under the same names between our look at them and our writing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.selection import folder
from ganrm_core.training import feature_archive
from ganrm_core.utils import files

Ganrm = Callable[..., Any]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_training_is_not_lost(train: Ganrm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, new = feature_archive.write_model, tmp_path / "new"

    def overtaken(path: Path, *rest: Any) -> Path:
        path.write_text("theirs")
        (new / "r.html").write_text("theirs")
        return save(path, *rest)

    monkeypatch.setattr(feature_archive, "write_model", overtaken)
    ran = train("--output", new / "a.safetensors", "--report", new / "r.html", "--json")
    assert ran.code == 0, ran.err
    assert ran.json[0]["written"] == str(new / "a (2).safetensors")
    assert 'a.safetensors" was taken by another program' in ran.err
    assert names(new) == {"a (2).safetensors", "a.safetensors", "r (2).html", "r.html"}
    assert (new / "a.safetensors").read_text() == (new / "r.html").read_text() == "theirs"


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
    assert names(tmp_path / "best") == names(tmp_path / "best (2)")
    assert len(names(tmp_path / "best")) == 3


def test_maps_and_masks_keep_one_number(
    trained: Any, tmp_path: Path, ganrm: Ganrm, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, maps = files.write_new, tmp_path / "maps"

    def overtaken(*arguments: Any) -> list[Path]:
        (maps / "liked00.mask.png").write_text("theirs")
        return write(*arguments)

    monkeypatch.setattr(files, "write_new", overtaken)
    ran = ganrm("heatmap", trained.checkpoint, trained.liked / "liked00.png", "--output", maps)
    assert ran.code == 0, ran.err
    assert names(maps) == {"liked00.map (2).png", "liked00.mask (2).png", "liked00.mask.png"}
    ran = ganrm("score", trained.checkpoint, maps)
    assert ran.code == 2
    assert "no picture of its own" not in ran.err, "their mask has no mark"
