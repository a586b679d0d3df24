"""`ganrm best`: which pictures are kept of each group, and that no picture is ever lost."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from unit_support.workspace import Workspace

Ganrm = Callable[..., Any]


@pytest.fixture(scope="session")
def twelve(tmp_path_factory: pytest.TempPathFactory, make_folder: Any) -> Path:
    """Three groups of four pictures in the order of their names."""
    folder: Path = make_folder(tmp_path_factory.mktemp("twelve"), "liked", 12, first=80)
    return folder


@pytest.fixture(scope="session")
def logits(twelve: Path, trained: Any, ganrm: Ganrm) -> dict[str, float]:
    lines = ganrm("score", trained.checkpoint, twelve, "--json").json
    return {Path(line["file"]).name: line["logit"] for line in lines}


@pytest.fixture(scope="session")
def of_groups(logits: dict[str, float]) -> list[str]:
    """The best of each group."""
    names = sorted(logits)
    return [max(names[start : start + 4], key=lambda name: logits[name]) for start in (0, 4, 8)]


@pytest.fixture
def candidates(twelve: Path, tmp_path: Path) -> Path:
    return shutil.copytree(twelve, tmp_path / "candidates")


@pytest.fixture
def best(trained: Any, candidates: Path, tmp_path: Path, ganrm: Ganrm) -> Ganrm:
    """Run the command on the candidates, into the folder `best`."""

    def run(*options: object, output: Path = tmp_path / "best") -> Any:
        return ganrm("best", trained.checkpoint, candidates, "--output", output, *options)

    return run


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def kept(folder: Path) -> list[str]:
    return sorted(content(folder).keys() - {"contact_sheet.jpg", "scores.csv"})


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


class TestWhatIsKept:
    def test_the_best_of_all(
        self, best: Ganrm, candidates: Path, tmp_path: Path, logits: dict[str, float]
    ) -> None:
        before = content(candidates)
        ran = best("--keep", 3)
        assert ran.code == 0
        assert ran.lines[0].split(maxsplit=1) == ["kept", "3 of 12 pictures from 1 groups"]
        after = content(tmp_path / "best")
        assert kept(tmp_path / "best") == sorted(sorted(logits, key=lambda name: -logits[name])[:3])
        assert all(after[name] == before[name] for name in kept(tmp_path / "best"))
        assert content(candidates) == before
        with Image.open(tmp_path / "best" / "contact_sheet.jpg") as sheet:
            assert (sheet.format, sheet.mode) == ("JPEG", "RGB")
            assert min(sheet.size) > 200

    def test_the_best_of_each_group_and_a_row_for_every_candidate(
        self, best: Ganrm, candidates: Path, tmp_path: Path, of_groups: list[str], logits: dict[str, float]
    ) -> None:
        ran = best("--group-size", 4, "--json")
        assert ran.code == 0
        for line, name in zip(ran.json, of_groups, strict=True):
            assert list(line) == ["file", "kept_as", "rank", "score", "logit", "uncertainty", "clear"]
            assert (line["file"], line["kept_as"]) == (str(candidates / name), str(tmp_path / "best" / name))
            assert (line["rank"], line["logit"]) == (1, pytest.approx(logits[name], abs=1e-4))
        rows = table(tmp_path / "best")
        assert [row["file"] for row in rows] == [str(candidates / name) for name in sorted(logits)]
        for number, row in enumerate(rows):
            assert int(row["group"]) == number // 4 + 1
            assert (row["kept"] == "1") == (row["rank"] == "1") == (row["kept_as"] != "")
            assert float(row["logit"]) == pytest.approx(logits[Path(row["file"]).name], abs=1e-4)
        for start in (0, 4, 8):
            ranked = sorted(rows[start : start + 4], key=lambda row: -float(row["logit"]))
            assert [row["rank"] for row in ranked] == ["1", "2", "3", "4"]

    def test_what_is_too_close_to_call(
        self, best: Ganrm, candidates: Path, tmp_path: Path, logits: dict[str, float]
    ) -> None:
        first = max(logits, key=lambda name: logits[name])
        shutil.copy(candidates / first, candidates / f"{first} again.png")
        (said,) = [line for line in best().lines if line.startswith("close")]
        assert all(part in said for part in (f'"{first}"', f'"{first} again.png"', "are too close to call"))
        (line,) = best("--surer-first", "--json", output=tmp_path / "json").json
        assert line["clear"] is False

    def test_a_file_that_cannot_be_read_shifts_no_group(
        self, best: Ganrm, candidates: Path, tmp_path: Path, of_groups: list[str]
    ) -> None:
        unreadable = ["liked80.png" if of_groups[0] != "liked80.png" else "liked81.png"]
        unreadable += [f"liked{number}.png" for number in range(84, 88)]
        for name in unreadable:
            (candidates / name).write_bytes(b"no picture")
        (candidates / "loop.png").symlink_to("loop.png")
        ran = best("--group-size", 4)
        assert ran.code == 0
        assert "ganrm: 6 files were skipped" in ran.err
        assert kept(tmp_path / "best") == [of_groups[0], of_groups[2]]
        for row in table(tmp_path / "best"):
            group = "1" if Path(row["file"]).name < "liked84" else "3"
            assert row["group"] == ("" if row["skipped"] else group)

    def test_groups_by_name(
        self, best: Ganrm, candidates: Path, tmp_path: Path, of_groups: list[str]
    ) -> None:
        renamed = {f"liked{80 + n}.png": f"{n % 4}_prompt{n // 4}.png" for n in range(12)}
        for old, new in renamed.items():
            (candidates / old).rename(candidates / new)
        assert best("--group-by", r"_(prompt\d)").code == 0
        assert kept(tmp_path / "best") == sorted(renamed[name] for name in of_groups)

    def test_a_least_score_and_a_least_number(self, best: Ganrm, tmp_path: Path) -> None:
        ran = best("--keep", 2, "--min-score", 1.1, "--min-keep", 1, "--group-size", 4)
        assert ran.lines[0].endswith("3 of 12 pictures from 3 groups")
        assert len(kept(tmp_path / "best")) == 3

    def test_subfolders_and_names_of_any_kind(self, best: Ganrm, candidates: Path, tmp_path: Path) -> None:
        (candidates / "sub").mkdir()
        shutil.copy(candidates / "liked80.png", candidates / "sub" / "liked80.png")
        names = [
            "scores.csv.png",
            "Contact_Sheet.jpg",
            "two\nlines.png",
            'it\'s "quoted", really.png',
            "名 é.png",
        ]
        for number, name in enumerate(names, start=81):
            (candidates / f"liked{number}.png").rename(candidates / name)
        output = candidates / "best"
        output.mkdir()  # an empty one may be there, also among the candidates
        assert best("--recursive", "--keep", 13, output=output).code == 0
        expected = {*content(candidates), "liked80 (2).png", "Contact_Sheet (2).jpg"} - {"Contact_Sheet.jpg"}
        assert {*kept(output)} == {row["kept_as"] for row in table(output)} == expected


def test_linking_and_moving(best: Ganrm, candidates: Path, tmp_path: Path, of_groups: list[str]) -> None:
    before, links, moved = content(candidates), tmp_path / "links", tmp_path / "moved"
    assert best("--link", "--group-size", 4, output=links).code == 0
    assert all((links / name).samefile(candidates / name) for name in of_groups)
    assert best("--move", "--group-size", 4, output=moved).code == 0
    assert kept(moved) == of_groups
    assert content(candidates).keys() == before.keys() - {*of_groups}
    assert {**content(candidates), **content(moved)}.items() >= before.items()


def test_nothing_is_overwritten(best: Ganrm, tmp_path: Path) -> None:
    (tmp_path / "filled").mkdir()
    for name in ("filled/scores.csv", "file"):
        (tmp_path / name).write_text("mine")
    before = Workspace(tmp_path, best).listing()
    for output in ("candidates", "filled", "file"):
        ran = best(output=tmp_path / output)
        assert ran.code == 2
        assert f'"{tmp_path / output}" already exists and is not an empty folder. Choose another' in ran.err
        assert Workspace(tmp_path, best).listing() == before


def test_rules_that_make_no_sense(best: Ganrm, tmp_path: Path) -> None:
    for option, value, message in (
        ("--group-by", "(", "'\\(' is not a regular expression"),
        ("--group-by", "prompt", '"liked80.png" does not match --group-by .prompt..*Change the pattern'),
        ("--group-by", r"(never)?\w", "does not match --group-by"),
    ):
        ran = best(option, value)
        assert (ran.code, ran.out) == (2, "")
        assert re.fullmatch(rf"ganrm: .*{message}.*\n", ran.err)
        assert not (tmp_path / "best").exists()
