"""What each command prints, writes and returns."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganrm_core import cli
from ganrm_core.rewards.discriminator.checkpoint import read_card
from ganrm_core.rewards.discriminator.reward_model import RewardModel

Ganrm = Callable[..., Any]
Draw = Callable[[str, int], Image.Image]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def mixed(tmp_path: Path, draw: Draw) -> Path:
    """Four pictures, none of which the model has seen: 0 and 2 liked, 1 and 3 ordinary."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number in range(4):
        draw("ordinary" if number % 2 else "liked", 40 + number).save(folder / f"{number}.png")
    return folder


class TestTrain:
    def test_json_is_one_last_line_with_the_figures(self, trained: Any) -> None:
        (line,) = trained.ran.json
        names = "auc auc_ci ece thresholds n_liked n_ordinary leaks seconds skipped written"
        assert list(line) == names.split()
        low, high = line["auc_ci"]
        assert 0.5 < low <= line["auc"] <= high <= 1
        assert 0 <= line["ece"] < 0.5
        assert set(line["thresholds"]) == {"balanced", "fpr_5"}
        assert all(0 < value < 1 for value in line["thresholds"].values())
        assert (line["n_liked"], line["n_ordinary"]) == (14, 15)
        assert line["seconds"] > 0
        assert line["written"] == str(trained.checkpoint)

    def test_it_writes_the_model_and_the_report_and_nothing_else(self, trained: Any) -> None:
        written = {path.name for path in trained.checkpoint.parent.iterdir()}
        assert written == {"taste.html", "taste.safetensors", "tiny.safetensors"}
        assert read_card(trained.checkpoint)["metrics"]["auc"][0] == trained.ran.json[0]["auc"]
        assert "<html" in trained.report.read_text(encoding="utf-8")
        assert len(list(trained.liked.iterdir())) == 14

    def test_progress_and_warnings_go_to_standard_error(self, trained: Any) -> None:
        assert "reading pictures" in trained.ran.err
        assert re.search(r"^ganrm: Only 14 liked pictures: expect a rough model\.", trained.ran.err, re.M)

    def test_words_and_features(self, train: Ganrm, tmp_path: Path) -> None:
        ran = train("--output", tmp_path / "deep" / "er" / "a.safetensors", "--keep-features")
        assert ran.code == 0
        for beginning in ("trained on   ", "held-out AUC ", "accuracy ", "ECE ", "thresholds ", "written  "):
            assert any(line.startswith(beginning) for line in ran.lines), beginning
        written = sorted(path.name for path in (tmp_path / "deep" / "er").iterdir())
        assert written == ["a.features.safetensors", "a.safetensors"]

    def test_lora(self, train: Ganrm, tmp_path: Path, ganrm: Ganrm) -> None:
        pytest.importorskip("peft")
        options = ("--adapt", "lora", "--preset", "default", "--views", 2)
        ran = train(*options, "--output", tmp_path / "a.safetensors", "--json")
        assert (ran.code, len(ran.json)) == (0, 1)
        about = ganrm("info", tmp_path / "a.safetensors")
        # Whether adapting pays is up to the pictures; the card says which it was.
        adapted = re.search(r"^adapter +LoRA, rank 8, 24 layers$", about.out, re.M)
        frozen = re.search(r"^head +linear, since LoRA gained nothing", about.out, re.M)
        assert bool(adapted) != bool(frozen)

    def test_subfolders_only_when_asked(self, work: Path, train: Ganrm) -> None:
        (work / "liked").rename(work / "deeper")
        (work / "liked").mkdir()
        (work / "deeper").rename(work / "liked" / "deeper")
        options = ("--output", work / "a.safetensors", "--json")
        assert train(*options).code == 2
        ran = train(*options, "--recursive")
        assert (ran.code, ran.json[0]["n_liked"]) == (0, 14)


class TestScore:
    def test_every_form_says_the_same_as_the_library(
        self, trained: Any, model: RewardModel, mixed: Path, ganrm: Ganrm
    ) -> None:
        expected = model.score(sorted(mixed.iterdir()))
        ran = ganrm("score", trained.checkpoint, mixed)
        assert (ran.code, ran.err) == (0, "")
        assert ran.lines[0].split() == ["score", "logit", "file"]
        rows = [line.split(maxsplit=2) for line in ran.lines[1:]]
        lines = ganrm("score", trained.checkpoint, mixed, "--json").json
        table = list(csv.DictReader(io.StringIO(ganrm("score", trained.checkpoint, mixed, "--csv").out)))
        assert [list(line) for line in lines] == [["file", "score", "logit", "uncertainty"]] * 4
        assert [list(row) for row in table] == [["file", "score", "logit", "uncertainty", "skipped"]] * 4
        for number, (line, row, words) in enumerate(zip(lines, table, rows, strict=True)):
            assert line["file"] == row["file"] == words[2] == str(mixed / f"{number}.png")
            assert float(words[0]) == pytest.approx(line["score"], abs=1e-4)
            for key in ("score", "logit", "uncertainty"):
                assert line[key] == pytest.approx(float(getattr(expected, key)[number]), abs=1e-5)
                assert float(row[key]) == pytest.approx(line[key], abs=1e-6)

    def test_files_and_folders_in_the_order_given(self, trained: Any, mixed: Path, ganrm: Ganrm) -> None:
        (mixed / "sub").mkdir()
        shutil.copy(mixed / "1.png", mixed / "sub" / "deep.png")
        lines = ganrm("score", trained.checkpoint, mixed / "3.png", mixed, mixed / "0.png", "--json").json
        assert [Path(line["file"]).stem for line in lines] == ["3", "0", "1", "2", "3", "0"]
        assert lines[0]["logit"] == pytest.approx(lines[4]["logit"], abs=1e-5)
        deep = ganrm("score", trained.checkpoint, mixed, "--json", "--recursive").json
        assert [Path(line["file"]).stem for line in deep] == ["0", "1", "2", "3", "deep"]

    def test_what_cannot_be_read_is_named_and_the_rest_scored(
        self, trained: Any, mixed: Path, ganrm: Ganrm
    ) -> None:
        (mixed / "1.png").write_bytes(b"")
        (mixed / "link.png").symlink_to(mixed / "gone.png")
        ran = ganrm("score", trained.checkpoint, mixed, mixed / "link.png", "--json")
        assert (ran.code, len(ran.json)) == (0, 6)
        assert [list(line) for line in ran.json[3:]] == [["file", "skipped"]] * 3
        assert ran.json[3] == {"file": str(mixed / "1.png"), "skipped": "the file is empty (0 bytes)"}
        assert ran.err.startswith(
            'ganrm: 3 files were skipped: "1.png" (the file is empty (0 bytes)), "link.png"'
        )
        ran = ganrm("score", trained.checkpoint, mixed / "1.png")
        assert (ran.code, len(ran.lines)) == (2, 1)
        assert "1 file was skipped" in ran.err

    def test_a_backbone_of_ones_own(self, trained: Any, mixed: Path, ganrm: Ganrm) -> None:
        checkpoint = Path(shutil.copy(trained.checkpoint, mixed.parent))
        backbone = trained.checkpoint.with_name("tiny.safetensors")
        assert ganrm("score", checkpoint, mixed).code == 2
        assert "file:tiny.safetensors" in ganrm("info", checkpoint).out  # which needs none
        by_folder = ganrm("score", checkpoint, mixed, "--backbones", mixed, "--backbones", backbone.parent)
        by_name = ganrm("score", checkpoint, mixed, "--backbone", f"file:{backbone}")
        assert (by_folder.code, by_folder.err) == (by_name.code, by_name.err) == (0, "")
        assert by_folder.out == by_name.out

    @pytest.mark.parametrize(
        "name", ["two\nlines.png", 'it\'s "quoted", really.png', " -x 画.png", "\x1b[31m.png"]
    )
    def test_awkward_names(self, name: str, trained: Any, mixed: Path, ganrm: Ganrm) -> None:
        path = (mixed / "0.png").rename(mixed / name)
        assert ganrm("score", trained.checkpoint, path, "--json").json[0]["file"] == str(path)
        table = ganrm("score", trained.checkpoint, path, "--csv").out
        assert [row["file"] for row in csv.DictReader(io.StringIO(table, newline=""))] == [str(path)]
        ran = ganrm("score", trained.checkpoint, path)
        assert len(ran.lines) == 2
        assert all(line.isprintable() for line in ran.lines)

    @pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="names are text there")
    @pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
    def test_names_that_are_no_text(
        self, encoding: str, trained: Any, mixed: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = mixed / os.fsdecode(b"caf\xe9 \xe7\x94\xbb.png")
        (mixed / "0.png").rename(path)
        for form, expected in (
            ("--csv", b"caf\xe9 \xe7\x94\xbb.png"),
            ("--json", rb"caf\udce9 \u753b.png"),
            ("--device=cpu", rb"caf\udce9 " + ("画" if encoding == "utf-8" else r"\u753b").encode()),
        ):
            # As where the terminal or the pipe takes no such characters.
            written = io.BytesIO()
            monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
            assert cli.main(["score", str(trained.checkpoint), str(path), form]) == 0
            assert expected in written.getvalue()
            if form == "--json":
                assert json.loads(written.getvalue())["file"] == str(path)


class TestEvaluate:
    def test_json_and_words(self, trained: Any, ganrm: Ganrm, work: Path, folders: list[object]) -> None:
        shutil.copy(work / "liked" / "liked00.png", work / "liked" / "again.png")
        (line,) = ganrm("evaluate", trained.checkpoint, *folders, "--json").json
        assert 0.5 < line["auc_ci"][0] <= line["auc"] <= line["auc_ci"][1]
        assert (line["n_liked"], line["n_ordinary"]) == (14, 15)
        assert line["accuracy_threshold"] == read_card(trained.checkpoint)["thresholds"]["balanced"]
        ran = ganrm("evaluate", trained.checkpoint, *folders)
        assert ran.code == 0
        assert ran.lines[0].split(maxsplit=1)[1] == "14 liked, 15 ordinary"
        assert [line.split()[0] for line in ran.lines] == ["pictures", "AUC", "accuracy", "ECE"]
        assert "ganrm: 1 liked files are exact copies" in ran.err


class TestInfo:
    def test_json_is_the_whole_card(self, trained: Any, ganrm: Ganrm) -> None:
        ran = ganrm("info", trained.checkpoint, "--json")
        assert (ran.code, ran.err, ran.json) == (0, "", [read_card(trained.checkpoint)])

    def test_words(self, trained: Any, ganrm: Ganrm) -> None:
        ran = ganrm("info", trained.checkpoint)
        assert (ran.code, ran.err) == (0, "")
        told = {line[:14].strip(): line[14:] for line in ran.lines}
        assert told["backbone"].startswith("file:tiny.safetensors (weights ")
        assert told["trained on"] == "14 liked, 15 ordinary pictures"
        assert told["held out by"].endswith("(29 pictures)")
        assert told["seed"] == "0"


class TestUsage:
    @pytest.mark.parametrize(
        "command",
        [[], *([command] for command in ["demo", "train", "refine", "score", "best", "evaluate", "info"])],
    )
    def test_help(self, command: list[str], ganrm: Ganrm) -> None:
        ran = ganrm(*command, "--help")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("usage: ganrm")

    def test_version(self, ganrm: Ganrm) -> None:
        ran = ganrm("--version")
        assert ran.code == 0
        assert ran.out.startswith("ganrm ")

    @pytest.mark.parametrize(
        "arguments",
        [
            "",
            "trian",
            "train",
            "train --liked a --ordinary b",
            "train --liked a --ordinary b --output c.safetensors --views few",
            "score model.safetensors",
            "score model.safetensors a.png --json --csv",
            "best model.safetensors folder",
            "best model.safetensors folder --output x --keep some",
            "best model.safetensors folder --output x --copy --move",
            "best model.safetensors folder --output x --group-size 2 --group-by x",
            "info",
        ],
    )
    def test_wrong_usage(self, arguments: str, ganrm: Ganrm) -> None:
        ran = ganrm(*arguments.split())
        assert (ran.code, ran.out) == (2, "")
        assert "usage: ganrm" in ran.err
        assert "error: " in ran.err

    def test_a_device_that_is_not_there(self, trained: Any, mixed: Path, ganrm: Ganrm) -> None:
        ran = ganrm("score", trained.checkpoint, mixed, "--device", "abacus")
        assert (ran.code, ran.out) == (2, "")
        assert re.fullmatch(r"ganrm: The device 'abacus' cannot be used .*Use --device cpu\.\n", ran.err)

    def test_as_a_module(self) -> None:
        call = [sys.executable, "-m", "ganrm_core.cli", "train", "--output", "x"]
        done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "required: --liked, --ordinary" in done.stderr


def test_the_demo_refuses_a_bad_seed_before_any_work(tmp_path: Path, ganrm: Ganrm) -> None:
    ran = ganrm("demo", "--output", tmp_path / "demo", "--seed", -1)
    assert ran.code == 2
    assert not (tmp_path / "demo").exists()
