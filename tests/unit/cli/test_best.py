"""`ganrm best`: which pictures are kept of each group, and that no picture is ever lost."""

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
    return sorted(content(folder).keys() - set(RESULTS))


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
        assert kept(tmp_path / "best") == sorted(sorted(logits, key=lambda name: -logits[name])[:3])
        assert (
            content(tmp_path / "best").items()
            >= {name: before[name] for name in kept(tmp_path / "best")}.items()
        )
        assert content(candidates) == before
        with Image.open(tmp_path / "best" / "contact_sheet.jpg") as sheet:
            assert (sheet.format, sheet.mode) == ("JPEG", "RGB")
            assert min(sheet.size) > 200

    def test_the_best_of_each_group_as_json(
        self, best: Ganrm, candidates: Path, tmp_path: Path, of_groups: list[str], logits: dict[str, float]
    ) -> None:
        ran = best("--group-size", 4, "--json")
        assert ran.code == 0
        for line, name in zip(ran.json, of_groups, strict=True):
            assert list(line) == ["file", "kept_as", "rank", "score", "logit", "uncertainty", "clear"]
            assert (line["file"], line["kept_as"]) == (str(candidates / name), str(tmp_path / "best" / name))
            assert (line["rank"], line["logit"]) == (1, pytest.approx(logits[name], abs=1e-4))

    def test_what_is_too_close_to_call(
        self, best: Ganrm, candidates: Path, tmp_path: Path, logits: dict[str, float]
    ) -> None:
        first = max(logits, key=lambda name: logits[name])
        shutil.copy(candidates / first, candidates / f"{first} again.png")
        (said,) = [line for line in best().lines if line.startswith("close")]
        assert f'"{first}"' in said
        assert f'"{first} again.png"' in said
        assert said.endswith("are too close to call")
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
        groups = {
            Path(row["file"]).name: row["group"] for row in table(tmp_path / "best") if not row["skipped"]
        }
        assert groups == {
            name: "1" if name < "liked84" else "3" for name in content(candidates).keys() - {*unreadable}
        }

    @pytest.mark.parametrize("pattern", [r"_(prompt\d)", r"prompt\d", r"_(?P<prompt>prompt\d)\.png$"])
    def test_groups_by_name(
        self, pattern: str, best: Ganrm, candidates: Path, tmp_path: Path, of_groups: list[str]
    ) -> None:
        renamed = {f"liked{80 + n}.png": f"{n % 4}_prompt{n // 4}.png" for n in range(12)}
        for old, new in renamed.items():
            (candidates / old).rename(candidates / new)
        assert best("--group-by", pattern).code == 0
        assert kept(tmp_path / "best") == sorted(renamed[name] for name in of_groups)

    def test_a_least_score_and_a_least_number(self, best: Ganrm, tmp_path: Path) -> None:
        assert best("--keep", 12, "--min-score", 0.5, output=tmp_path / "a").code == 0
        rows = table(tmp_path / "a")
        above = sum(float(row["score"]) >= 0.5 for row in rows)
        assert 0 < above < 12
        assert len(kept(tmp_path / "a")) == above
        ran = best("--keep", 2, "--min-score", 1.1, "--min-keep", 1, "--group-size", 4, output=tmp_path / "b")
        assert ran.lines[0].endswith("3 of 12 pictures from 3 groups")
        assert len(kept(tmp_path / "b")) == 3
        ran = best("--min-score", 1.1, output=tmp_path / "c")
        assert (ran.code, kept(tmp_path / "c"), len(table(tmp_path / "c"))) == (0, [], 12)

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
        if os.name == "posix" and os.uname().sysname == "Linux":
            names.append(os.fsdecode(b"caf\xe9.png"))
        for number, name in enumerate(names, start=81):
            (candidates / f"liked{number}.png").rename(candidates / name)
        assert best("--recursive", "--keep", 13).code == 0
        expected = {*content(candidates), "liked80 (2).png", "Contact_Sheet (2).jpg"} - {"Contact_Sheet.jpg"}
        assert {*kept(tmp_path / "best")} == {row["kept_as"] for row in table(tmp_path / "best")} == expected


class TestPlacing:
    def test_moving(self, best: Ganrm, candidates: Path, tmp_path: Path, of_groups: list[str]) -> None:
        before = content(candidates)
        assert best("--move", "--group-size", 4).code == 0
        assert kept(tmp_path / "best") == of_groups
        assert content(candidates).keys() == before.keys() - {*of_groups}
        assert {**content(candidates), **content(tmp_path / "best")}.items() >= before.items()

    def test_linking(self, best: Ganrm, candidates: Path, tmp_path: Path, of_groups: list[str]) -> None:
        assert best("--link", "--group-size", 4).code == 0
        assert all((tmp_path / "best" / name).samefile(candidates / name) for name in of_groups)

    @pytest.mark.parametrize("mode", ["--move", "--copy", "--link"])
    def test_a_disk_that_fills_up_loses_nothing(
        self,
        mode: str,
        best: Ganrm,
        candidates: Path,
        tmp_path: Path,
        of_groups: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        before, real, calls = content(candidates), os.link, []

        def full(source: Any, target: Any, **more: Any) -> None:
            calls.append(target)
            if len(calls) > len(["scores.csv", "the first picture"]):
                raise OSError(28, "No space left on device", str(target))
            real(source, target, **more)

        with monkeypatch.context() as patch:
            patch.setattr(os, "link", full)
            ran = best(mode, "--group-size", 4)
        assert ran.code == 2
        assert "the disk is full. Free some space" in ran.err
        if mode == "--move":
            assert (
                f'1 of 3 pictures are in "{tmp_path / "best"}" already, and scores.csv says which' in ran.err
            )
            assert {**content(candidates), **content(tmp_path / "best")}.items() >= before.items()
            assert sorted(content(tmp_path / "best")) == [of_groups[0], "scores.csv"]
            assert [row["kept_as"] for row in table(tmp_path / "best") if row["kept"] == "1"] == of_groups[:1]
        else:
            assert content(candidates) == before
            assert not (tmp_path / "best").exists()
            assert best(mode, "--group-size", 4).code == 0


def test_every_candidate_has_its_row(
    best: Ganrm, candidates: Path, tmp_path: Path, logits: dict[str, float]
) -> None:
    best("--group-size", 4, "--keep", 2)
    rows = table(tmp_path / "best")
    assert [row["file"] for row in rows] == [str(candidates / name) for name in sorted(logits)]
    for number, row in enumerate(rows):
        assert int(row["group"]) == number // 4 + 1
        assert (row["kept"] == "1") == (int(row["rank"]) <= 2) == (row["kept_as"] != "")
        assert float(row["logit"]) == pytest.approx(logits[Path(row["file"]).name], abs=1e-4)
    for start in (0, 4, 8):
        ranked = sorted(rows[start : start + 4], key=lambda row: int(row["rank"]))
        assert [row["rank"] for row in ranked] == ["1", "2", "3", "4"]
        assert ranked == sorted(ranked, key=lambda row: -float(row["logit"]))


def test_an_output_folder_among_the_candidates(best: Ganrm, candidates: Path) -> None:
    output = candidates / "best"
    output.mkdir()  # an empty one may be there
    assert best("--recursive", "--keep", 2, output=output).code == 0
    assert len(table(output)) == len(find_candidates(candidates, output, recursive=True)) == 12


@pytest.mark.parametrize("output", ["candidates", "filled", "file"])
def test_nothing_is_overwritten(output: str, best: Ganrm, tmp_path: Path, listing: Any) -> None:
    (tmp_path / "filled").mkdir()
    (tmp_path / "filled" / "scores.csv").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = listing(tmp_path)
    ran = best(output=tmp_path / output)
    assert ran.code == 2
    assert f'"{tmp_path / output}" already exists and is not an empty folder. Choose another' in ran.err
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keep", 0], "keep is 0.*Use 1 or more"),
        (["--group-size", 0], "group_size is 0. Use 1 or more"),
        (["--group-by", "("], "'\\(' is not a regular expression"),
        (["--group-by", "prompt"], '"liked80.png" does not match --group-by .prompt..*Change the pattern'),
        (["--group-by", r"(never)?\w"], "does not match --group-by"),
        (["--min-keep", 2], "min_keep is 2"),
        (["--min-score", "nan"], "min_score is not a number"),
    ],
)
def test_rules_that_make_no_sense(options: list[object], message: str, best: Ganrm, tmp_path: Path) -> None:
    ran = best(*options)
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(rf"ganrm: .*{message}.*\n", ran.err)
    assert not (tmp_path / "best").exists()
