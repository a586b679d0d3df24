"""Files that go or change between scoring and placing: the others are placed, and the table says what is so."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ganrm_core.data.image_folder import find_images
from ganrm_core.data.selection_table import COLUMNS, TABLE, is_selection
from ganrm_core.data.skipped_files import Skipped
from ganrm_core.rewards.base import Scores
from ganrm_core.selection.folder import Rules, place_selection, prepare_folder, rank_files
from ganrm_core.selection.folder_results import FolderSelection
from ganrm_core.utils.errors import OutputError
from ganrm_core.utils.files import PlaceMode
from ganrm_core.utils.progress import Progress

MODES: list[PlaceMode] = ["copy", "move", "link"]
NAMES = [f"p{number}.png" for number in range(6)]
"""The higher the number, the brighter the picture."""


class Bright:
    """The brighter, the better."""

    name = "bright"

    @property
    def thresholds(self) -> dict[str, float]:
        return {}

    def score_files(self, paths: Sequence[Path], skipped: list[Skipped]) -> Iterator[tuple[Path, Scores]]:
        for path in paths:
            try:
                with Image.open(path) as picture:
                    value = torch.tensor([picture.convert("L").getpixel((0, 0)) / 255])  # type: ignore[operator]
            except OSError:
                skipped.append(Skipped(path, "it is no picture"))
                continue
            yield path, Scores(value, value, torch.zeros(1))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def _replace(path: Path) -> None:
    path.unlink()
    Image.new("RGB", (30, 20), "red").save(path)


def _become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


CHANGES: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "cut": _cut,
    "replaced": _replace,
    "a folder": _become_a_folder,
    "a loop": _link_to_itself,
}


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


def ranked(shots: Path, keep: int = 3) -> FolderSelection:
    return rank_files(Bright(), find_images(shots), Rules(keep=keep))  # type: ignore[arg-type]


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / TABLE).open(encoding="utf-8-sig", newline="") as file:
        return {Path(row["file"]).name: row for row in csv.DictReader(file)}


def pictures(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.png"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("which", ["p3.png", "p4.png", "p5.png"])
def test_the_others_are_placed_and_that_one_is_named(
    which: str, change: str, mode: PlaceMode, shots: Path, output: Path
) -> None:
    selection = ranked(shots)
    before = {path.name: path.read_bytes() for path in shots.iterdir()}
    CHANGES[change](shots / which)
    others = [name for name in ("p5.png", "p4.png", "p3.png") if name != which]
    placed = place_selection(selection, output, mode)
    assert [row.path.name for row in placed.kept] == others
    assert [entry.path.name for entry in placed.skipped] == [which]
    assert pictures(output) == sorted(others)
    for name in others:
        assert (output / name).read_bytes() == before[name]
        assert (shots / name).exists() == (mode != "move")
    rows = table(output)
    assert list(rows) == NAMES
    assert {name for name, row in rows.items() if row["kept"] == "1"} == set(others)
    assert {row["kept_as"] for row in rows.values()} == {"", *others}
    assert {name for name, row in rows.items() if row["skipped"]} == {which}
    expected = (
        "it is no longer there" if change in ("gone", "a loop") else "it was changed after it was scored"
    )
    assert placed.skipped[0].reason == rows[which]["skipped"] == expected
    assert (output / "contact_sheet.jpg").is_file()


@pytest.mark.parametrize("change", CHANGES)
def test_one_that_was_not_kept_costs_only_its_tile(change: str, shots: Path, output: Path) -> None:
    def has_a_grey_tile(folder: Path) -> bool:
        with Image.open(folder / "contact_sheet.jpg") as sheet:
            return any(sheet.getpixel((x, 140)) == (128, 128, 128) for x in range(sheet.width))

    selection = ranked(shots)
    prepare_folder(output.with_name("as it was"))
    place_selection(selection, output.with_name("as it was"))
    CHANGES[change](shots / "p0.png")
    placed = place_selection(selection, output)
    assert len(placed.kept) == 3
    assert placed.skipped == []
    assert has_a_grey_tile(output)
    assert not has_a_grey_tile(output.with_name("as it was"))


@pytest.mark.parametrize("mode", MODES)
def test_where_none_is_left_the_folder_stays_empty_for_the_next_run(
    mode: PlaceMode, shots: Path, output: Path
) -> None:
    selection = ranked(shots)
    hidden = shots.rename(shots.with_name("elsewhere"))
    with pytest.raises(
        OutputError, match=r"None of the best pictures could be placed\. 3 files were skipped"
    ):
        place_selection(selection, output, mode)
    assert list(output.iterdir()) == []
    hidden.rename(shots)
    prepare_folder(output)
    assert len(place_selection(ranked(shots), output, mode).kept) == 3


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OutputError("The disk is full.")])
def test_broken_off_nothing_is_lost_and_the_table_is_true(
    error: BaseException, mode: PlaceMode, shots: Path, output: Path
) -> None:
    before = {path.name: path.read_bytes() for path in shots.iterdir()}

    def stop(step: Progress) -> None:
        if step.stage.endswith("the best") and step.done == 2:
            raise error

    with pytest.raises(type(error)) as raised:
        place_selection(ranked(shots), output, mode, stop)
    everything = {path.name: path.read_bytes() for folder in (shots, output) for path in folder.glob("*.png")}
    assert everything == before
    if mode != "move":
        assert list(output.iterdir()) == []
        return
    assert pictures(output) == ["p4.png", "p5.png"]
    assert {name for name, row in table(output).items() if row["kept_as"]} == {"p4.png", "p5.png"}
    if isinstance(error, OutputError):
        assert "2 of 3 pictures are in" in str(raised.value)


@pytest.mark.parametrize("mode", MODES)
def test_a_copy_stays_where_its_original_has_gone_meanwhile(
    mode: PlaceMode, shots: Path, output: Path
) -> None:
    def lose(step: Progress) -> None:
        if step.stage.endswith("the best") and step.done == 2:
            (shots / "p5.png").unlink(missing_ok=True)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place_selection(ranked(shots), output, mode, lose)
    assert "p5.png" in pictures(output)
    assert table(output)["p5.png"]["kept_as"] == "p5.png"


def test_originals_that_cannot_be_removed_are_copied_and_named(
    shots: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.unlink

    def refused(self: Path, missing_ok: bool = False) -> None:
        if self.parent == shots:
            raise PermissionError(13, "Permission denied", str(self))
        real(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    placed = place_selection(ranked(shots), output, "move")
    assert pictures(output) == ["p3.png", "p4.png", "p5.png"]
    assert pictures(shots) == NAMES
    assert len(placed.kept) == len(placed.skipped) == 3
    row = table(output)["p5.png"]
    assert (row["kept"], row["kept_as"]) == ("1", "p5.png")
    assert row["skipped"] == "it was copied, but the original could not be removed: Permission denied"


def test_a_disk_that_stops_reading_costs_one_file(
    shots: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    class Broken:
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None: ...

        def read(self, _: int) -> bytes:
            raise OSError(5, "Input/output error")

    def opened(self: Path, *arguments: Any, **named: Any) -> Any:
        return Broken() if self == shots / "p4.png" else real(self, *arguments, **named)

    selection = ranked(shots)
    monkeypatch.setattr(Path, "open", opened)
    placed = place_selection(selection, output)
    assert pictures(output) == ["p3.png", "p5.png"]
    assert placed.skipped == [Skipped(shots / "p4.png", "it cannot be read: Input/output error")]


class TestTable:
    def test_files_that_were_never_scored_follow_with_their_reasons(self, shots: Path, output: Path) -> None:
        for name in ("p1.png", "p4.png"):
            (shots / name).write_bytes(b"no picture")
        place_selection(ranked(shots), output)
        rows = table(output)
        assert list(rows) == ["p0.png", "p2.png", "p3.png", "p5.png", "p1.png", "p4.png"]
        assert rows["p1.png"] == {
            **dict.fromkeys(COLUMNS, ""),
            "file": str(shots / "p1.png"),
            "kept": "0",
            "skipped": "it is no picture",
        }
        assert all(rows[name]["rank"] and not rows[name]["skipped"] for name in list(rows)[:4])

    def test_it_begins_with_the_mark_by_which_excel_knows_utf_8(self, shots: Path, output: Path) -> None:
        (shots / "p5.png").rename(shots / "写真.png")
        place_selection(ranked(shots), output)
        content = (output / TABLE).read_bytes()
        assert content.startswith(b"\xef\xbb\xbffile,")
        assert "写真.png" in content.decode("utf-8")
        assert is_selection(output)

    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    @pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[:-1]])
    @pytest.mark.parametrize("end", [b"\n", b"\r\n"])
    def test_folders_of_every_version_are_known(
        self, mark: bytes, columns: tuple[str, ...], end: bytes, tmp_path: Path
    ) -> None:
        (tmp_path / TABLE).write_bytes(mark + ",".join(columns).encode() + end + b"x,1,1,1,1,1,1,x" + end)
        assert is_selection(tmp_path)
        (tmp_path / TABLE).write_bytes(mark + b"file,rank" + end)
        assert not is_selection(tmp_path)


def test_the_command(
    trained: Any, tmp_path: Path, ganrm: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(trained.liked, tmp_path / "in")
    real, lost = rank_files, folder / "liked00.png"

    def then_one_goes(*arguments: Any, **named: Any) -> FolderSelection:
        selection = real(*arguments, **named)
        lost.unlink()
        return selection

    monkeypatch.setattr(folder, "rank_files", then_one_goes)
    ran = ganrm(
        "best", trained.checkpoint, folder, "--keep", 14, "--output", tmp_path / "out", "--move", "--json"
    )
    assert ran.code == 0, ran.err
    assert ran.json[-1] == {"file": str(lost), "skipped": "it is no longer there"}
    assert len(ran.json) == 14
    assert all(Path(line["kept_as"]).is_file() for line in ran.json[:-1])
    assert '1 file was skipped: "liked00.png" (it is no longer there).' in ran.err
    assert len(list((tmp_path / "out").iterdir())) == 13 + 2
