"""`ganrm cull`: what it prints, copies and moves, and that it moves nothing unasked."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageEnhance

Ganrm = Callable[..., Any]
COLUMNS = ["file", "group", "rank", "kept", "score", "logit", "uncertainty", "kept_as", "moved_to"]


@pytest.fixture(scope="session")
def bursts(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """Two pictures in two exposures each, and one alone."""
    folder = tmp_path_factory.mktemp("bursts")
    for number, kind in ((1, "liked"), (2, "ordinary"), (3, "liked")):
        picture = draw(kind, 60 + number)
        picture.save(folder / f"{number}.png")
        if number != 3:
            ImageEnhance.Brightness(picture).enhance(0.9).save(folder / f"{number} darker.png")
    return folder


@pytest.fixture
def shoot(bursts: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bursts, tmp_path / "shoot")


@pytest.fixture
def cull(trained: Any, shoot: Path, ganrm: Ganrm) -> Ganrm:
    return lambda *options: ganrm("cull", trained.checkpoint, shoot, "--alike", "copies", *options)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_nothing_moves_unasked(cull: Ganrm, shoot: Path) -> None:
    before = content(shoot)
    ran = cull()
    assert ran.code == 0
    assert content(shoot) == before
    assert [path.name for path in shoot.parent.iterdir()] == ["shoot"]
    assert [line.split('"')[0] for line in ran.lines[:2]] == ["group 1     keep ", "group 2     keep "]
    assert "   not " in ran.lines[0]
    assert ran.lines[2].startswith("kept   3 of 5 pictures are kept. The other 2 are like one of them")


def test_the_table(cull: Ganrm, shoot: Path, trained: Any, ganrm: Ganrm) -> None:
    lines = cull("--json").json
    assert [list(line) for line in lines] == [COLUMNS] * 5
    assert [(line["group"], line["rank"], line["kept"]) for line in lines] == [
        *((1, 1, True), (1, 2, False), (2, 1, True), (2, 2, False), (3, 1, True))
    ]
    scores = {
        line["file"]: line["logit"] for line in ganrm("score", trained.checkpoint, shoot, "--json").json
    }
    assert {line["file"]: line["logit"] for line in lines} == pytest.approx(scores, abs=1e-4)
    (shoot / "4.png").write_bytes(b"no picture")
    rows = list(csv.DictReader(io.StringIO(cull("--csv").out)))
    assert list(rows[0]) == [*COLUMNS, "skipped"]
    assert [row["kept"] for row in rows] == ["1", "0", "1", "0", "1", "0"]
    assert rows[-1]["skipped"] == "it is not a picture in a known format"


def test_copies_moves_and_back(cull: Ganrm, shoot: Path, tmp_path: Path, ganrm: Ganrm) -> None:
    before = content(shoot)
    kept, rest = tmp_path / "kept", shoot / "rest"
    ran = cull("--output", kept, "--move-rest", rest, "--report", tmp_path / "groups.html")
    assert ran.code == 0, ran.err
    good = sorted(name for name in content(kept) if name.endswith(".png"))
    assert len(good) == 3
    assert sorted(content(kept)) == sorted([*good, "contact_sheet.jpg", "scores.csv"])
    with Image.open(kept / "contact_sheet.jpg") as sheet:
        assert sheet.width > 200
    moved = sorted(set(before) - set(good))
    assert sorted(content(rest)) == sorted([*moved, "moved.csv"])
    assert sorted(path.name for path in shoot.iterdir()) == sorted([*good, "rest"])
    page = (tmp_path / "groups.html").read_text(encoding="utf-8")
    assert "shoot, culled" in page
    assert page.count("<figure>") == 4
    assert str(tmp_path) not in page
    # A second time, recursively, what was moved away is an earlier result.
    assert "Left out of" in cull("--recursive").err
    command = next(line for line in ran.lines if line.startswith("moved")).split("ganrm ", 1)[1]
    back = ganrm("cull", "--undo", rest / "moved.csv")
    assert command == f"cull --undo {rest / 'moved.csv'}"
    assert (back.code, back.lines) == (0, ["moved back  2 pictures"])
    assert content(shoot) == before


def test_what_could_not_be_moved_back(cull: Ganrm, shoot: Path, tmp_path: Path, ganrm: Ganrm) -> None:
    before = content(shoot)
    assert cull("--move-rest", tmp_path / "rest").code == 0
    taken = next(name for name in before if not (shoot / name).exists())
    (shoot / taken).write_bytes(b"a new one")
    ran = ganrm("cull", "--undo", tmp_path / "rest" / "moved.csv", "--json")
    assert ran.code == 2
    assert [line.get("moved") for line in ran.json] == [True, None]
    assert "another file is at its old place" in ran.err
    assert (tmp_path / "rest" / taken).read_bytes() == before[taken]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--within", "-1"), "within is -1"),
        (("--keep", "0"), "keep is 0"),
        (("--output", "same", "--move-rest", "same"), "are the same folder"),
        (("--report", "page.txt"), "ends in .html"),
        (("--undo", "moved.csv"), "takes the list of moved files alone"),
    ],
)
def test_bad_options(
    cull: Ganrm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = cull(*options)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["shoot"]


def test_model_and_folder_are_needed(shoot: Path, ganrm: Ganrm) -> None:
    ran = ganrm("cull", shoot)
    assert ran.code == 2
    assert "Give a model and a folder" in ran.err
