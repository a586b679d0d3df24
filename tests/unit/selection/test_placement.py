"""Files that are gone or changed between scoring and placing: the others are placed, and the table says so."""

from __future__ import annotations

import csv
import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from unit_support.failing_disk import refuse
from unit_support.rewards import Brightness

from ganrm_core.data.image_folder import find_images
from ganrm_core.data.selection_table import COLUMNS, TABLE
from ganrm_core.selection.folder import FolderSettings, rank_files
from ganrm_core.selection.folder_results import FolderSelection
from ganrm_core.selection.placement import place_selection, prepare_folder
from ganrm_core.utils.errors import OutputError
from ganrm_core.utils.file_placement import PlaceMode
from ganrm_core.utils.progress import Progress

MODES: list[PlaceMode] = ["copy", "move", "link"]
NAMES = [f"p{number}.png" for number in range(6)]
"""The higher the number, the brighter the picture."""
CHANGES: list[tuple[Callable[[Path], object], str]] = [
    (Path.unlink, "it is no longer there"),
    (lambda path: path.write_bytes(path.read_bytes()[:40]), "it was changed after it was scored"),
]


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    folder = tmp_path / "shots"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        Image.new("RGB", (30, 20), (40 * number,) * 3).save(folder / name)
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    prepare_folder(tmp_path / "best")
    return tmp_path / "best"


def ranked(shots: Path) -> FolderSelection:
    return rank_files(Brightness(), find_images(shots), FolderSettings(keep=3))


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / TABLE).open(encoding="utf-8-sig", newline="") as file:
        return {Path(row["file"]).name: row for row in csv.DictReader(file)}


def pictures(*folders: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for folder in folders for path in sorted(folder.glob("*.png"))}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("change", "reason"), CHANGES)
def test_the_others_are_placed_and_the_changed_one_is_named(
    change: Callable[[Path], object], reason: str, mode: PlaceMode, shots: Path, output: Path
) -> None:
    selection, before = ranked(shots), pictures(shots)
    change(shots / "p4.png")
    placed = place_selection(selection, output, mode)
    assert [row.path.name for row in placed.kept] == ["p5.png", "p3.png"]
    assert pictures(output) == {name: before[name] for name in ("p3.png", "p5.png")}
    assert all((shots / name).exists() == (mode != "move") for name in pictures(output))
    rows = table(output)
    assert list(rows) == NAMES
    kept_as = {name: row["kept_as"] for name, row in rows.items() if row["kept"] == "1"}
    assert kept_as == {name: name for name in pictures(output)}
    assert {name: row["skipped"] for name, row in rows.items() if row["skipped"]} == {"p4.png": reason}
    assert [(entry.path.name, entry.reason) for entry in placed.skipped] == [("p4.png", reason)]


def test_one_that_was_not_kept_costs_only_its_tile_and_without_any_the_folder_stays_empty(
    shots: Path, output: Path
) -> None:
    def has_a_grey_tile(folder: Path) -> bool:
        with Image.open(folder / "contact_sheet.jpg") as sheet:
            return any(sheet.getpixel((x, 140)) == (128, 128, 128) for x in range(sheet.width))

    selection, unchanged, empty = ranked(shots), output.with_name("unchanged"), output.with_name("empty")
    for folder in (unchanged, empty):
        prepare_folder(folder)
    place_selection(selection, unchanged)
    (shots / "p0.png").unlink()
    placed = place_selection(selection, output)
    assert (len(placed.kept), placed.skipped) == (3, [])
    assert (has_a_grey_tile(output), has_a_grey_tile(unchanged)) == (True, False)
    shots.rename(shots.with_name("elsewhere"))
    with pytest.raises(OutputError, match=r"None of the best .* be placed\. 3 files were skipped"):
        place_selection(selection, empty)
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OutputError("The disk is full.")])
@pytest.mark.parametrize("lost", [False, True])
def test_an_exception_loses_no_picture_and_the_table_is_true(
    lost: bool, error: BaseException, mode: PlaceMode, shots: Path, output: Path
) -> None:
    before = pictures(shots)

    def stop(step: Progress) -> None:
        if step.stage.endswith("the best") and step.done == 2:
            if lost:
                (shots / "p5.png").unlink(missing_ok=True)
            raise error

    with pytest.raises(type(error)) as raised:
        place_selection(ranked(shots), output, mode, stop)
    assert pictures(shots, output) == before
    placed = ["p4.png", "p5.png"] if mode == "move" else ["p5.png"] if lost else []
    assert sorted(pictures(output)) == placed
    assert bool(placed) == (output / TABLE).exists()
    if placed:
        assert {name for name, row in table(output).items() if row["kept_as"]} == set(placed)
    if placed and isinstance(error, OutputError):
        assert f"{len(placed)} of 3 pictures are in" in str(raised.value)


def test_originals_that_cannot_be_removed_are_copied_and_named(
    shots: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.unlink

    def refused(self: Path, missing_ok: bool = False) -> None:
        (refuse(errno.EACCES) if self.parent == shots else real)(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    placed = place_selection(ranked(shots), output, "move")
    assert list(pictures(output)) == ["p3.png", "p4.png", "p5.png"]
    assert list(pictures(shots)) == NAMES
    assert len(placed.kept) == len(placed.skipped) == 3
    row = table(output)["p5.png"]
    assert (row["kept"], row["kept_as"]) == ("1", "p5.png")
    assert row["skipped"] == "it was copied, but the original could not be removed: Permission denied"


def test_the_table_ends_with_files_that_could_not_be_scored(shots: Path, output: Path) -> None:
    (shots / "p1.png").write_bytes(b"no picture")
    (shots / "p5.png").rename(shots / "写真.png")
    place_selection(ranked(shots), output)
    assert (output / TABLE).read_bytes().startswith(b"\xef\xbb\xbffile,")  # Excel knows UTF-8 by it
    rows = table(output)
    assert list(rows) == ["p0.png", "p2.png", "p3.png", "p4.png", "写真.png", "p1.png"]
    last = rows["p1.png"]
    assert last.pop("skipped")
    assert last == {**dict.fromkeys(COLUMNS[:-1], ""), "file": str(shots / "p1.png"), "kept": "0"}


def test_a_sheet_that_cannot_be_written_leaves_pictures_and_table(
    shots: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError("The disk is full.")

    monkeypatch.setattr("ganrm_core.selection.placement.write_sheet", full)
    with pytest.raises(OutputError, match=r"full\. The pictures and scores\.csv are there, complete"):
        place_selection(ranked(shots), output)
    assert len(pictures(output)) == 3


def test_a_folder_that_another_run_fills_meanwhile_is_left_to_it(shots: Path, output: Path) -> None:
    (output / TABLE).write_text("theirs")
    placed = place_selection(ranked(shots), output)
    assert placed.folder == output.with_name("best (2)")
    assert len(pictures(placed.folder)) == 3
    assert [path.read_text() for path in output.iterdir()] == ["theirs"]
