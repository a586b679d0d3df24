"""A second run that publishes under the same names between our look at them and our writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit_support.failing_disk import names
from unit_support.workspace import Workspace

from ganrm_core.selection import folder
from ganrm_core.training import feature_archive
from ganrm_core.utils import files


def test_a_training_is_not_lost(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    save, new = feature_archive.write_model, work.root / "new"

    def overtaken(path: Path, *rest: Any) -> Path:
        path.write_text("theirs")
        (new / "r.html").write_text("theirs")
        return save(path, *rest)

    monkeypatch.setattr(feature_archive, "write_model", overtaken)
    ran = work.run("train", "--report", new / "r.html", "--json")
    assert ran.code == 0, ran.err
    assert ran.json[0]["written"] == str(new / "a (2).safetensors")
    assert 'a.safetensors" was taken by another program' in ran.err
    assert names(new) == ["a (2).safetensors", "a.safetensors", "r (2).html", "r.html"]
    assert (new / "a.safetensors").read_text() == (new / "r.html").read_text() == "theirs"


def test_a_selection_goes_into_the_next_folder(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    place, new = folder.place_selection, work.root / "new"

    def overtaken(selection: Any, output: Path, *rest: Any) -> Any:
        place(selection, output, *rest)
        return place(selection, output, *rest)

    monkeypatch.setattr(folder, "place_selection", overtaken)
    ran = work.run("best")
    assert ran.code == 0, ran.err
    assert f"written  {new / 'best (2)'} " in ran.out
    assert names(new / "best") == names(new / "best (2)")
    assert len(names(new / "best")) == 3


def test_maps_and_masks_keep_one_number(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    write, maps = files.write_new, work.root / "maps"

    def overtaken(*arguments: Any) -> list[Path]:
        (maps / "liked00.mask.png").write_text("theirs")
        return write(*arguments)

    monkeypatch.setattr(files, "write_new", overtaken)
    ran = work.ganrm("heatmap", work.model, work.liked / "liked00.png", "--output", maps)
    assert ran.code == 0, ran.err
    assert names(maps) == ["liked00.map (2).png", "liked00.mask (2).png", "liked00.mask.png"]
    ran = work.ganrm("score", work.model, maps)
    assert ran.code == 2
    assert "no picture of its own" not in ran.err, "their mask has no mark"
