"""Files moved away and back: never lost, wherever a run ended."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.selection import moved_files
from ganrm_core.selection.folder_results import Row, file_stamp
from ganrm_core.selection.moved_files import move_away, move_back
from ganrm_core.utils.errors import DataError, OutputError


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    """Three files, two of one name."""
    found = []
    for number, name in enumerate(("a/one.png", "a/two.png", "b/one.png")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(f"content {number}".encode())
        found.append(Row(path, number, 2, 0.5, 0.0, 0.0, stamp=file_stamp(path)))
    return found


@pytest.fixture
def rest(tmp_path: Path) -> Path:
    folder = tmp_path / "rest"
    folder.mkdir()
    return folder


def contents(*folders: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for folder in folders
        for path in folder.glob("*")
        if path.suffix == ".png"
    }


def test_there_and_back(rows: list[Row], rest: Path, tmp_path: Path) -> None:
    before = contents(tmp_path / "a", tmp_path / "b")
    moved = move_away(rows, rest)
    assert sorted(path.name for path in rest.iterdir()) == ["moved.csv", "one (2).png", "one.png", "two.png"]
    assert contents(tmp_path / "a", tmp_path / "b") == {}
    with moved.table.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["moved_to"] for line in lines] == ["one.png", "two.png", "one (2).png"]
    assert [line["group"] for line in lines] == ["1", "2", "3"]
    shutil.rmtree(tmp_path / "b")
    elsewhere = rest.rename(tmp_path / "later")
    back = move_back(elsewhere / "moved.csv")
    assert (len(back.back), back.there, back.skipped) == (3, [], [])
    assert contents(tmp_path / "a", tmp_path / "b") == before
    assert not elsewhere.exists()


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_run_that_was_killed_is_undone(
    rows: list[Row], rest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    before = contents(tmp_path / "a", tmp_path / "b")
    place, done = moved_files.place, []

    def killed(source: Path, target: Path, mode: Any) -> None:
        if len(done) == after:
            target.write_bytes(source.read_bytes())  # between the two steps of a move
            raise KeyboardInterrupt
        done.append(source)
        place(source, target, mode)

    monkeypatch.setattr(moved_files, "place", killed)
    with pytest.raises(KeyboardInterrupt):
        move_away(rows, rest)
    monkeypatch.undo()
    back = move_back(rest / "moved.csv")
    assert (len(back.back), len(back.there), back.skipped) == (after + 1, 2 - after, [])
    assert contents(tmp_path / "a", tmp_path / "b") == before
    assert not rest.exists()


def test_what_took_the_old_place_is_left_alone(rows: list[Row], rest: Path) -> None:
    move_away(rows, rest)
    rows[0].path.write_bytes(b"another picture")
    rows[1].path.symlink_to(rest / "two.png")
    back = move_back(rest / "moved.csv")
    assert back.back == [rows[2].path]
    assert [entry.path.name for entry in back.skipped] == ["one.png", "two.png"]
    assert rows[0].path.read_bytes() == b"another picture"
    assert (rest / "one.png").read_bytes() == b"content 0"
    assert (rest / "two.png").read_bytes() == b"content 1"
    for row in rows[:2]:
        row.path.unlink()
    again = move_back(rest / "moved.csv")
    assert (len(again.back), len(again.there)) == (2, 1)
    assert not rest.exists()


def test_a_file_that_is_gone_is_named(rows: list[Row], rest: Path) -> None:
    move_away(rows, rest)
    (rest / "two.png").unlink()
    (entry,) = move_back(rest / "moved.csv").skipped
    assert (entry.path.name, entry.reason) == ("two.png", "it is neither here nor where it was")
    assert (rest / "moved.csv").exists()


def test_a_file_changed_since_it_was_scored_stays(rows: list[Row], rest: Path) -> None:
    rows[1].path.write_bytes(b"painted over since")
    moved = move_away(rows, rest)
    assert [entry.reason for entry in moved.skipped] == ["it was changed after it was scored"]
    assert rows[1].path.read_bytes() == b"painted over since"
    assert len(moved.targets) == 2
    for row in rows:
        row.path.unlink(missing_ok=True)
    with pytest.raises(OutputError, match="None of the pictures could be moved"):
        move_away(rows, rest.parent / "rest")


def test_a_folder_filled_meanwhile_is_not_touched(rows: list[Row], rest: Path) -> None:
    (rest / "moved.csv").write_text("another run's")
    moved = move_away(rows, rest)
    assert moved.folder == rest.with_name("rest (2)")
    assert (rest / "moved.csv").read_text() == "another run's"


@pytest.mark.parametrize("row", ["relative/a.png,a.png,1,0.5", "{}/a.png,../a.png,1,0.5", "{}/a.png,,1,0.5"])
def test_a_list_that_names_files_elsewhere_moves_nothing(tmp_path: Path, row: str) -> None:
    table = tmp_path / "moved.csv"
    good = f"{tmp_path}/back.png,good.png,1,0.5"
    (tmp_path / "good.png").write_bytes(b"good")
    table.write_text("\n".join(["moved_from,moved_to,group,score", good, row.format(tmp_path)]))
    with pytest.raises(DataError, match="Row 3"):
        move_back(table)
    assert (tmp_path / "good.png").exists()


def test_a_list_saved_again_by_excel(rows: list[Row], rest: Path) -> None:
    moved = move_away(rows, rest)
    moved.table.write_text(moved.table.read_text("utf-8-sig").replace(",", ";"), "utf-8-sig")
    assert len(move_back(moved.table).back) == 3


def test_no_list(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        move_back(tmp_path / "moved.csv")
    (tmp_path / "moved.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="is no list of moved files"):
        move_back(tmp_path / "moved.csv")
