"""Score Folder and its own results: never scored again, and no reason to run again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from contract_support.folders import LEVELS, NODE, fill, rows, run
from contract_support.pack import Folders, Pack
from contract_support.rewards import Bright


@pytest.fixture
def shots(folders: Folders) -> Path:
    return fill(folders.input / "shots", LEVELS)


@pytest.fixture
def bright(pack: Pack) -> Bright:
    return Bright(pack, {"balanced": 0.31})


@pytest.fixture
def errors(pack: Pack) -> Any:
    return pack.module("ganrm_core.utils.errors")


def fingerprint(pack: Pack, folder: str = "input/shots", recursive: bool = False) -> str:
    value: str = pack.node(NODE).fingerprint_inputs(
        folder=folder, reward=None, keep=2, save_to="best", recursive=recursive, min_score=0.0, place="copy"
    )
    return value


class TestEarlierResults:
    def test_are_not_scored_again(self, pack: Pack, bright: Bright, folders: Folders) -> None:
        fill(folders.output, {f"run/{name}": level for name, level in LEVELS.items()})
        for name in ("best", "best (2)", "run/best"):
            save_to = "best" if name != "run/best" else name
            result = run(pack, bright, folder="output", recursive=True, save_to=save_to)
            assert result["best_folder"] == f"output/{name}"
            assert sorted(row["file"] for row in rows(result["table"])) == [
                f"run/{n}" for n in sorted(LEVELS)
            ]

    @pytest.mark.usefixtures("shots")
    def test_can_be_scored_by_themselves(self, pack: Pack, bright: Bright, folders: Folders) -> None:
        run(pack, bright)
        fill(folders.output / "best", {"contact_sheet.jpg": 255})
        result = run(pack, bright, folder="output/best", keep=1)
        assert [row["file"] for row in rows(result["table"])] == ["d.png", "b.png"]
        assert result["best_folder"] == "output/best (2)"

    @pytest.mark.usefixtures("shots")
    def test_and_nothing_else(self, pack: Pack, bright: Bright, errors: Any) -> None:
        run(pack, bright)
        with pytest.raises(
            errors.DataError,
            match=r'"output" .* no picture of its own, only pictures that were selected earlier',
        ):
            run(pack, bright, folder="output", recursive=True)

    def test_a_table_of_someone_else_makes_no_result(self, pack: Pack, bright: Bright, shots: Path) -> None:
        fill(shots, {"more/x.png": 5})
        (shots / "more" / "scores.csv").write_text("player,points\n")
        assert len(rows(run(pack, bright, recursive=True)["table"])) == 6


class TestFingerprint:
    def test_changes_with_the_pictures(self, pack: Pack, shots: Path) -> None:
        seen = [fingerprint(pack)]

        def is_new() -> bool:
            seen.append(fingerprint(pack))
            return seen[-1] not in seen[:-1]

        assert fingerprint(pack) == seen[0]
        fill(shots, {"new.png": 3})
        assert is_new()
        os.utime(shots / "a.png", ns=(1, 1))
        assert is_new()
        (shots / "b.png").write_bytes((shots / "b.png").read_bytes() + b" ")
        assert is_new()
        (shots / "c.png").rename(shots / "z.png")
        assert is_new()
        (shots / "z.png").unlink()
        assert is_new()

    def test_minds_subfolders_only_where_they_are_read(self, pack: Pack, shots: Path) -> None:
        flat, deep = fingerprint(pack), fingerprint(pack, recursive=True)
        fill(shots, {"more/x.png": 5})
        assert fingerprint(pack) == flat
        assert fingerprint(pack, recursive=True) != deep

    def test_does_not_change_by_its_own_results(self, pack: Pack, bright: Bright, folders: Folders) -> None:
        fill(folders.output, {f"run/{name}": level for name, level in LEVELS.items()})
        before = fingerprint(pack, "output", recursive=True)
        run(pack, bright, folder="output", recursive=True)
        run(pack, bright, folder="output", recursive=True)
        assert (folders.output / "best (2)").is_dir()
        assert fingerprint(pack, "output", recursive=True) == before

    def test_of_image_folder_neither(self, pack: Pack, bright: Bright, folders: Folders) -> None:
        fill(folders.output, {f"run/{name}": level for name, level in LEVELS.items()})
        image_folder = pack.node("GANRMImageFolder")
        before = image_folder.fingerprint_inputs(folder="output", recursive=True)
        run(pack, bright, folder="output", recursive=True)
        assert image_folder.fingerprint_inputs(folder="output", recursive=True) == before

    @pytest.mark.parametrize("value", ["../x", "/etc", "input/none", "nowhere", "input/a\0b", "input/\udce9"])
    def test_never_raises(self, pack: Pack, folders: Folders, value: str) -> None:
        assert folders.input.is_dir()
        assert fingerprint(pack, value) == fingerprint(pack, value)

    def test_of_a_folder_that_comes_and_goes(self, pack: Pack, shots: Path) -> None:
        there = fingerprint(pack)
        kept = shots.with_name("elsewhere")
        shutil.move(shots, kept)
        gone = fingerprint(pack)
        assert gone != there
        shutil.move(kept, shots)
        assert fingerprint(pack) == there

    def test_a_link_to_nowhere_counts(self, pack: Pack, shots: Path) -> None:
        before = fingerprint(pack)
        (shots / "f.png").symlink_to("nowhere.png")
        assert fingerprint(pack) != before

    def test_linked_inputs(self, pack: Pack) -> None:
        value = pack.node(NODE).fingerprint_inputs(folder=None, recursive=None)
        assert value == pack.node(NODE).fingerprint_inputs(folder=None, recursive=None)
