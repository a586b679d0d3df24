"""Runs that were killed as they filled a folder: the next one takes back what they had done, and loses nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.selection import moved_files, placement
from ganrm_core.selection.folder_results import FolderSelection, Row, file_stamp
from ganrm_core.selection.moved_files import move_away, move_back
from ganrm_core.selection.placement import place_selection, prepare_folder
from ganrm_core.selection.unfinished import LIST, take_back
from ganrm_core.utils.errors import OutputError
from ganrm_core.utils.file_lock import lock
from ganrm_core.utils.file_placement import PlaceMode

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork, and no locks to tell by")

KILLED = 9
MODES: list[PlaceMode] = ["copy", "move", "link"]


@pytest.fixture
def selection(tmp_path: Path) -> FolderSelection:
    """Four files of which three are kept."""
    (tmp_path / "shots").mkdir()
    rows = []
    for number in range(4):
        path = tmp_path / "shots" / f"{number}.png"
        path.write_bytes(b"content %d" % number)
        rows.append(Row(path, 0, number + 1, 0.5, 0.0, 0.0, kept=number < 3, stamp=file_stamp(path)))
    return FolderSelection(rows, [])


@pytest.fixture
def best(tmp_path: Path) -> Path:
    return tmp_path / "best"


def killed(module: Any, after: int, work: Any) -> None:
    """Run `work` in a process that ends at once, without any clearing up, after so many files were placed."""
    if child := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
        return
    place, done = module.place, []

    def last(source: Path, target: Path, mode: PlaceMode) -> None:
        if len(done) == after:
            os._exit(KILLED)
        place(source, target, mode)
        done.append(target)

    module.place = last
    work()
    os._exit(0)


def contents(*folders: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for folder in folders for path in folder.glob("*.png")}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("after", [0, 2])
def test_the_same_run_again_ends_as_if_nothing_had_happened(
    mode: PlaceMode, after: int, selection: FolderSelection, best: Path
) -> None:
    before = contents(best.with_name("shots"))
    prepare_folder(best)
    killed(placement, after, lambda: place_selection(selection, best, mode, sheet=False))
    assert (best / LIST).exists()
    assert prepare_folder(best) == after
    assert list(best.iterdir()) == []
    assert contents(best.with_name("shots")) == before
    placed = place_selection(selection, best, mode, sheet=False)
    assert placed.folder == best
    assert sorted(path.name for path in best.iterdir()) == ["0.png", "1.png", "2.png", "scores.csv"]


def test_what_else_belongs_to_the_run_is_taken_back_too(selection: FolderSelection, best: Path) -> None:
    before, rest = contents(best.with_name("shots")), best.with_name("rest")
    for folder in (best, rest):
        prepare_folder(folder)

    def work() -> None:
        place_selection(selection, best, sheet=False, then=lambda placed: move_away(placed.rows[3:], rest))

    killed(moved_files, 0, work)
    assert [prepare_folder(folder) for folder in (best, rest)] == [3, 0]
    assert (list(best.iterdir()), list(rest.iterdir())) == ([], [])
    assert contents(best.with_name("shots")) == before
    work()
    assert sorted(path.name for path in rest.iterdir()) == ["3.png", "moved.csv"]


def test_undo_works_as_well_and_leaves_no_list(selection: FolderSelection, best: Path) -> None:
    before = contents(best.with_name("shots"))
    prepare_folder(best)
    killed(moved_files, 2, lambda: move_away(selection.rows, best))
    (best / ".0123456789abcdef.part.csv").touch()
    assert len(move_back(best / "moved.csv").back) == 2
    assert contents(best.with_name("shots")) == before
    assert not best.exists()


def test_a_run_that_fills_the_folder_now_is_left_alone(selection: FolderSelection, best: Path) -> None:
    prepare_folder(best)
    killed(placement, 1, lambda: place_selection(selection, best, "move", sheet=False))
    with lock(best):  # as that run would hold it
        assert take_back(best) == 0
        with pytest.raises(OutputError, match=r"not an empty folder.*--undo .*unfinished\.csv"):
            prepare_folder(best)
        assert place_selection(selection, best, sheet=False).folder == best.with_name("best (2)")
    assert (best / "0.png").exists()


def test_a_picture_changed_since_is_not_touched(selection: FolderSelection, best: Path) -> None:
    prepare_folder(best)
    killed(placement, 2, lambda: place_selection(selection, best, "copy", sheet=False))
    (best / "1.png").write_bytes(b"painted over")
    with pytest.raises(OutputError, match=r"1\.png.*another file is at its old place"):
        prepare_folder(best)
    assert (best / "1.png").read_bytes() == b"painted over"


def test_partial_files_do_not_count_and_other_files_do(best: Path) -> None:
    best.mkdir()
    (best / ".0123456789abcdef.part.csv").touch()
    assert prepare_folder(best) == 0
    (best / ".hidden").touch()
    with pytest.raises(OutputError, match="not an empty folder"):
        prepare_folder(best)
