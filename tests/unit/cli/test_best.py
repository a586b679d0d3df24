"""`ganrm best`: what is kept of each group, and that no picture is ever lost."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganrm_core.selection.folder import find_candidates

Ganrm = Callable[..., Any]
RESULTS = ["contact_sheet.jpg", "scores.csv"]
BEST = (2, 4, 9)  # the liked one in each run of four


@pytest.fixture(scope="session")
def twelve(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """Three groups of four, with one liked picture in each."""
    folder = tmp_path_factory.mktemp("twelve")
    for number in range(12):
        draw("liked" if number in BEST else "ordinary", 80 + number).save(folder / f"c{number}.png")
    return folder


@pytest.fixture
def candidates(twelve: Path, tmp_path: Path) -> Path:
    return shutil.copytree(twelve, tmp_path / "candidates")


@pytest.fixture
def best(trained: Any, candidates: Path, tmp_path: Path, ganrm: Ganrm) -> Ganrm:
    """Run the command on the candidates, into the folder `best`."""

    def run(*options: object, folder: Path = candidates, output: Path = tmp_path / "best") -> Any:
        return ganrm("best", trained.checkpoint, folder, "--output", output, *options)

    return run


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def kept(folder: Path) -> list[str]:
    return sorted(content(folder).keys() - set(RESULTS))


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


class TestWhatIsKept:
    def test_the_best_of_all(self, best: Ganrm, candidates: Path, tmp_path: Path) -> None:
        before = content(candidates)
        ran = best("--keep", 3)
        assert ran.code == 0
        assert ran.lines[0].split(maxsplit=1) == ["kept", "3 of 12 pictures from 1 groups"]
        assert kept(tmp_path / "best") == [f"c{number}.png" for number in BEST]
        assert all(content(tmp_path / "best")[name] == before[name] for name in kept(tmp_path / "best"))
        assert content(candidates) == before

    def test_the_best_of_each_group_as_json(self, best: Ganrm, candidates: Path, tmp_path: Path) -> None:
        ran = best("--group-size", 4, "--json")
        assert ran.code == 0
        names = ["file", "kept_as", "rank", "score", "logit", "uncertainty", "clear"]
        assert [list(line) for line in ran.json] == [names] * 3
        for line, number in zip(ran.json, BEST, strict=True):
            assert line["file"] == str(candidates / f"c{number}.png")
            assert line["kept_as"] == str(tmp_path / "best" / f"c{number}.png")
            assert line["rank"] == 1
            assert 0.5 < line["score"] < 1

    def test_what_is_too_close_to_call(self, best: Ganrm, candidates: Path, tmp_path: Path) -> None:
        shutil.copy(candidates / "c2.png", candidates / "c2 again.png")
        ran = best("--output", tmp_path / "words")
        said = [line for line in ran.lines if line.startswith("close")]
        assert len(said) == 1
        assert '"c2.png"' in said[0]
        assert '"c2 again.png"' in said[0]
        assert said[0].endswith("are too close to call")
        (line,) = best("--json", output=tmp_path / "json").json
        assert line["clear"] is False
        (candidates / "c2 again.png").unlink()
        clear = best("--group-size", 4, "--surer-first", output=tmp_path / "clear")
        assert not any(line.startswith("close") for line in clear.lines)
        lines = best("--group-size", 4, "--json", output=tmp_path / "clear json").json
        assert [line["clear"] for line in lines] == [True] * 3

    def test_a_file_that_cannot_be_read_shifts_no_group(
        self, best: Ganrm, candidates: Path, tmp_path: Path
    ) -> None:
        (candidates / "c0.png").write_bytes(b"")
        for number in range(4, 8):
            (candidates / f"c{number}.png").write_bytes(b"no picture")
        ran = best("--group-size", 4)
        assert ran.code == 0
        assert "ganrm: 5 files were skipped" in ran.err
        assert kept(tmp_path / "best") == ["c2.png", "c9.png"]
        rows = table(tmp_path / "best")
        groups = {Path(row["file"]).name: row["group"] for row in rows if not row["skipped"]}
        assert groups == {f"c{n}.png": str(n // 4 + 1) for n in (1, 2, 3, 8, 9, 10, 11)}

    @pytest.mark.parametrize("pattern", [r"_(prompt\d)", r"prompt\d", r"_(?P<prompt>prompt\d)\.png$"])
    def test_groups_by_name(self, pattern: str, best: Ganrm, candidates: Path, tmp_path: Path) -> None:
        for number in range(12):
            (candidates / f"c{number}.png").rename(candidates / f"{number % 4}_prompt{number // 4}.png")
        assert best("--group-by", pattern).code == 0
        assert kept(tmp_path / "best") == [
            f"{n % 4}_prompt{n // 4}.png" for n in sorted(BEST, key=lambda n: n % 4)
        ]

    def test_a_least_score_and_a_least_number(self, best: Ganrm, candidates: Path, tmp_path: Path) -> None:
        for number in BEST[1:]:
            (candidates / f"c{number}.png").unlink()
        (candidates / "c12.png").write_bytes((candidates / "c0.png").read_bytes())
        assert best("--keep", 2, "--min-score", 0.5, output=tmp_path / "a").code == 0
        assert kept(tmp_path / "a") == ["c2.png"]
        ran = best("--keep", 2, "--min-score", 0.5, "--min-keep", 1, "--group-size", 4, output=tmp_path / "b")
        assert ran.lines[0].endswith("3 of 11 pictures from 3 groups")
        assert len(kept(tmp_path / "b")) == 3
        ran = best("--min-score", 1.1, output=tmp_path / "c")
        assert (ran.code, kept(tmp_path / "c")) == (0, [])
        assert len(table(tmp_path / "c")) == 11

    def test_subfolders_and_equal_names(self, best: Ganrm, candidates: Path, tmp_path: Path) -> None:
        (candidates / "sub").mkdir()
        shutil.copy(candidates / "c2.png", candidates / "sub" / "c2.png")
        (candidates / "c9.png").rename(candidates / "scores.csv.png")
        (candidates / "c4.png").rename(candidates / "Contact_Sheet.jpg")
        assert best("--recursive", "--keep", 4).code == 0
        expected = ["Contact_Sheet (2).jpg", "c2 (2).png", "c2.png", "scores.csv.png"]
        assert kept(tmp_path / "best") == expected


class TestPlacing:
    def test_moving(self, best: Ganrm, candidates: Path, tmp_path: Path) -> None:
        before = content(candidates)
        assert best("--move", "--group-size", 4).code == 0
        moved = {f"c{number}.png" for number in BEST}
        assert content(candidates) == {name: data for name, data in before.items() if name not in moved}
        assert {name: content(tmp_path / "best")[name] for name in moved} == {
            name: before[name] for name in moved
        }

    def test_linking(self, best: Ganrm, candidates: Path, tmp_path: Path) -> None:
        before = content(candidates)
        assert best("--link", "--group-size", 4).code == 0
        assert content(candidates) == before
        for number in BEST:
            assert (tmp_path / "best" / f"c{number}.png").samefile(candidates / f"c{number}.png")

    def test_moving_breaks_off_without_loss(
        self, best: Ganrm, candidates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before, real, calls = content(candidates), os.link, []

        def full(source: Any, target: Any, **more: Any) -> None:
            calls.append(target)
            if len(calls) > len(["scores.csv", "c2.png"]):
                raise OSError(28, "No space left on device", str(target))
            real(source, target, **more)

        monkeypatch.setattr(os, "link", full)
        ran = best("--move", "--group-size", 4)
        assert ran.code == 2
        assert "the disk is full. Free some space" in ran.err
        assert f'1 of 3 pictures are in "{tmp_path / "best"}" already, and scores.csv says which' in ran.err
        assert {**content(candidates), **content(tmp_path / "best")}.items() >= before.items()
        assert sorted(content(tmp_path / "best")) == ["c2.png", "scores.csv"]
        assert [row["kept_as"] for row in table(tmp_path / "best") if row["kept"] == "1"] == ["c2.png"]

    @pytest.mark.parametrize("mode", ["--copy", "--link"])
    def test_copying_breaks_off_without_a_trace(
        self, mode: str, best: Ganrm, candidates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before, real, calls = content(candidates), os.link, []

        def full(source: Any, target: Any, **more: Any) -> None:
            calls.append(target)
            if len(calls) > len(["scores.csv", "c2.png"]):
                raise OSError(28, "No space left on device", str(target))
            real(source, target, **more)

        with monkeypatch.context() as patch:
            patch.setattr(os, "link", full)
            ran = best(mode, "--group-size", 4)
        assert ran.code == 2
        assert "the disk is full. Free some space" in ran.err
        assert content(candidates) == before
        assert not (tmp_path / "best").exists()
        assert best(mode, "--group-size", 4).code == 0


class TestTable:
    def test_every_candidate_has_its_row(
        self, best: Ganrm, candidates: Path, tmp_path: Path, trained: Any, ganrm: Ganrm
    ) -> None:
        best("--group-size", 4, "--keep", 2)
        rows = table(tmp_path / "best")
        scored = {
            line["file"]: line for line in ganrm("score", trained.checkpoint, candidates, "--json").json
        }
        assert [row["file"] for row in rows] == list(scored)
        for number, row in enumerate(rows):
            assert int(row["group"]) == number // 4 + 1
            assert (row["kept"] == "1") == (int(row["rank"]) <= 2) == (row["kept_as"] != "")
            assert float(row["score"]) == pytest.approx(scored[row["file"]]["score"], abs=1e-5)
            assert float(row["logit"]) == pytest.approx(scored[row["file"]]["logit"], abs=1e-5)
        assert {row["kept_as"] for row in rows if row["kept"] == "1"} == set(kept(tmp_path / "best"))
        for group in range(3):
            ranks = sorted(rows[group * 4 : group * 4 + 4], key=lambda row: int(row["rank"]))
            assert [row["rank"] for row in ranks] == ["1", "2", "3", "4"]
            assert ranks == sorted(ranks, key=lambda row: -float(row["logit"]))

    @pytest.mark.parametrize("options", [[], ["--group-size", 4]])
    def test_the_contact_sheet_shows_all(self, options: list[object], best: Ganrm, tmp_path: Path) -> None:
        best(*options)
        with Image.open(tmp_path / "best" / "contact_sheet.jpg") as sheet:
            assert (sheet.format, sheet.mode) == ("JPEG", "RGB")
            assert min(sheet.size) > 200

    def test_names_of_any_kind(self, best: Ganrm, candidates: Path, tmp_path: Path) -> None:
        strange = ["two\nlines.png", 'it\'s "quoted", really.png', "名 é.png"]
        if os.name == "posix" and os.uname().sysname == "Linux":
            strange.append(os.fsdecode(b"caf\xe9.png"))
        for number, name in enumerate(strange):
            (candidates / f"c{number}.png").rename(candidates / name)
        assert best("--keep", 12).code == 0
        assert set(kept(tmp_path / "best")) == set(content(candidates))
        with (tmp_path / "best" / "scores.csv").open(
            encoding="utf-8-sig", errors="surrogateescape", newline=""
        ) as file:
            assert {row["kept_as"] for row in csv.DictReader(file)} == set(content(candidates))


class TestOutputFolder:
    def test_inside_the_candidates(self, best: Ganrm, candidates: Path) -> None:
        output = candidates / "best"
        ran = best("--recursive", "--keep", 2, output=output)
        assert ran.code == 0
        assert len(table(output)) == 12
        assert {path.parent for path in find_candidates(candidates, output, recursive=True)} == {candidates}
        assert len(find_candidates(candidates, output, recursive=True)) == 12

    def test_an_empty_folder_may_be_there(self, best: Ganrm, tmp_path: Path) -> None:
        (tmp_path / "best").mkdir()
        assert best().code == 0
        assert len(kept(tmp_path / "best")) == 1

    @pytest.mark.parametrize("output", ["candidates", "filled", "file"])
    def test_nothing_is_overwritten(self, output: str, best: Ganrm, tmp_path: Path) -> None:
        (tmp_path / "filled").mkdir()
        (tmp_path / "filled" / "scores.csv").write_text("mine")
        (tmp_path / "file").write_text("mine")
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        ran = best(output=tmp_path / output)
        assert ran.code == 2
        assert f'"{tmp_path / output}" already exists and is not an empty folder. Choose another' in ran.err
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keep", 0], "keep is 0.*Use 1 or more"),
        (["--group-size", 0], "group_size is 0. Use 1 or more"),
        (["--group-by", "("], "'\\(' is not a regular expression"),
        (["--group-by", "prompt"], '"c0.png" does not match --group-by .prompt..*Change the pattern'),
        (["--min-keep", 2], "min_keep is 2"),
        (["--min-score", "nan"], "min_score is not a number"),
    ],
)
def test_rules_that_make_no_sense(options: list[object], message: str, best: Ganrm, tmp_path: Path) -> None:
    ran = best(*options)
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(rf"ganrm: .*{message}.*\n", ran.err)
    assert not (tmp_path / "best").exists()


def test_a_link_that_leads_to_itself_is_skipped_and_named(trained: Any, tmp_path: Path, ganrm: Ganrm) -> None:
    folder = tmp_path / "in"
    shutil.copytree(trained.liked, folder)
    (folder / "loop.png").symlink_to("loop.png")
    ran = ganrm("best", trained.checkpoint, folder, "--output", tmp_path / "out")
    assert ran.code == 0
    assert "loop.png" in ran.err


def test_a_name_whose_group_did_not_take_part_is_refused(trained: Any, tmp_path: Path, ganrm: Ganrm) -> None:
    ran = ganrm(
        *(
            "best",
            trained.checkpoint,
            trained.liked,
            "--group-by",
            r"(never)?\w",
            "--output",
            tmp_path / "out",
        )
    )
    assert ran.code == 2
    assert "does not match --group-by" in ran.err
