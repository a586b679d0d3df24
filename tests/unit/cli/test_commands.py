"""What each command prints, writes and returns."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit_support.failing_disk import names
from unit_support.workspace import Workspace

from ganrm_core import cli
from ganrm_core.rewards.discriminator.checkpoint import read_card
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training import feature_archive

Ganrm = Callable[..., Any]


@pytest.fixture
def mixed(tmp_path: Path, draw: Any) -> Path:
    """Four pictures, none of which the model has seen: 0 and 2 liked, 1 and 3 ordinary."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number in range(4):
        draw("ordinary" if number % 2 else "liked", 40 + number).save(folder / f"{number}.png")
    return folder


class TestTrain:
    def test_figures_files_and_messages(self, trained: Any) -> None:
        (line,) = trained.ran.json
        figures = ["auc", "auc_ci", "ece", "thresholds", "n_liked", "n_ordinary"]
        assert list(line) == [*figures, "leaks", "seconds", "skipped", "written"]
        low, high = line["auc_ci"]
        assert 0.5 < low <= line["auc"] <= high <= 1
        assert 0 <= line["ece"] < 0.5
        assert set(line["thresholds"]) == {"balanced", "fpr_5"}
        assert all(0 < value < 1 for value in line["thresholds"].values())
        assert (line["n_liked"], line["n_ordinary"]) == (14, 15)
        assert line["seconds"] > 0
        assert line["written"] == str(trained.checkpoint)
        assert names(trained.checkpoint.parent) == ["taste.html", "taste.safetensors", "tiny.safetensors"]
        assert read_card(trained.checkpoint)["metrics"]["auc"][0] == line["auc"]
        assert "<html" in trained.report.read_text(encoding="utf-8")
        assert len(names(trained.liked)) == 14
        assert "reading pictures" in trained.ran.err
        assert re.search(r"^ganrm: Only 14 liked pictures: expect a rough model\.", trained.ran.err, re.M)

    def test_words_features_and_subfolders(self, work: Workspace) -> None:
        work.liked.rename(work.root / "deeper")
        work.liked.mkdir()
        (work.root / "deeper").rename(work.liked / "deeper")
        options = ("--output", work.root / "deep" / "er" / "a.safetensors", "--keep-features")
        assert work.run("train", *options).code == 2
        ran = work.run("train", *options, "--recursive")
        assert ran.code == 0
        assert "14 liked and 15 ordinary" in ran.out
        for beginning in ("trained on   ", "held-out AUC ", "accuracy ", "ECE ", "thresholds ", "written  "):
            assert any(line.startswith(beginning) for line in ran.lines), beginning
        assert names(work.root / "deep" / "er") == ["a.features.safetensors", "a.safetensors"]

    def test_lora(self, work: Workspace) -> None:
        pytest.importorskip("peft")
        ran = work.run("train", "--adapt", "lora", "--preset", "default", "--views", 2, "--json")
        assert (ran.code, len(ran.json)) == (0, 1)
        about = work.ganrm("info", work.root / "new" / "a.safetensors")
        # Whether adapting pays is up to the pictures; the card says which it was.
        adapted = re.search(r"^adapter +LoRA, rank 8, 24 layers$", about.out, re.M)
        frozen = re.search(r"^head .*, since LoRA gained nothing", about.out, re.M)
        assert bool(adapted) != bool(frozen)

    def test_names_that_another_program_takes_meanwhile(
        self, work: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save, new = feature_archive.write_model, work.root / "new"

        def overtaken(path: Path, *rest: Any) -> Path:
            path.write_text("theirs")
            (new / "r.html").write_text("theirs")
            return save(path, *rest)

        monkeypatch.setattr(feature_archive, "write_model", overtaken)
        ran = work.run("train", "--report", new / "r.html", "--json")
        assert ran.code == 0, ran.err
        assert ran.json[0]["written"] == str(new / "a (2).safetensors")
        assert 'a.safetensors" was taken by another program' in ran.err
        assert names(new) == ["a (2).safetensors", "a.safetensors", "r (2).html", "r.html"]
        assert (new / "a.safetensors").read_text() == (new / "r.html").read_text() == "theirs"


class TestScore:
    def test_every_form_says_the_same_as_the_library(self, trained: Any, mixed: Path, ganrm: Ganrm) -> None:
        expected = RewardModel.load(trained.checkpoint).score(sorted(mixed.iterdir()))
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
        (mixed / "link.png").symlink_to(mixed / "gone.png")
        given = (mixed / "3.png", mixed / "link.png", mixed, mixed / "0.png")
        ran = ganrm("score", trained.checkpoint, *given, "--json")
        scored, skipped = ran.json[:6], ran.json[6:]
        assert [Path(line["file"]).stem for line in scored] == ["3", "0", "1", "2", "3", "0"]
        assert scored[0]["logit"] == pytest.approx(scored[4]["logit"], abs=1e-5)
        assert {line["file"] for line in skipped} == {str(mixed / "link.png")}
        assert 'were skipped: "link.png"' in ran.err
        deep = ganrm("score", trained.checkpoint, mixed, "--json", "--recursive").json
        assert [Path(line["file"]).stem for line in deep] == ["0", "1", "2", "3", "deep", "link"]

    def test_a_backbone_of_ones_own(self, trained: Any, mixed: Path, ganrm: Ganrm) -> None:
        checkpoint = Path(shutil.copy(trained.checkpoint, mixed.parent))
        backbone = trained.checkpoint.with_name("tiny.safetensors")
        assert ganrm("score", checkpoint, mixed).code == 2
        assert "file:tiny.safetensors" in ganrm("info", checkpoint).out  # which needs none
        by_folder = ganrm("score", checkpoint, mixed, "--backbones", mixed, "--backbones", backbone.parent)
        by_name = ganrm("score", checkpoint, mixed, "--backbone", f"file:{backbone}")
        assert (by_folder.code, by_folder.err) == (by_name.code, by_name.err) == (0, "")
        assert by_folder.out == by_name.out

    @pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="names are text there")
    def test_names_that_are_no_text_on_a_terminal_of_few_letters(
        self, trained: Any, mixed: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = mixed / os.fsdecode(b"caf\xe9 \xe7\x94\xbb.png")
        (mixed / "0.png").rename(path)
        for form, expected in (
            ("--csv", b"caf\xe9 \xe7\x94\xbb.png"),
            ("--json", rb"caf\udce9 \u753b.png"),
            ("--device=cpu", rb"caf\udce9 \u753b"),
        ):
            written = io.BytesIO()
            monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
            assert cli.main(["score", str(trained.checkpoint), str(path), form]) == 0
            assert expected in written.getvalue()
            if form == "--json":
                assert json.loads(written.getvalue())["file"] == str(path)


def test_evaluate(work: Workspace) -> None:
    shutil.copy(work.liked / "liked00.png", work.liked / "again.png")
    (line,) = work.run("evaluate", "--json").json
    assert 0.5 < line["auc_ci"][0] <= line["auc"] <= line["auc_ci"][1]
    assert (line["n_liked"], line["n_ordinary"]) == (14, 15)
    assert line["accuracy_threshold"] == read_card(work.model)["thresholds"]["balanced"]
    ran = work.run("evaluate")
    assert ran.code == 0
    assert ran.lines[0].split(maxsplit=1)[1] == "14 liked, 15 ordinary"
    assert [line.split()[0] for line in ran.lines] == ["pictures", "AUC", "accuracy", "ECE"]
    assert "ganrm: 1 liked files are exact copies" in ran.err


def test_info(trained: Any, ganrm: Ganrm) -> None:
    ran = ganrm("info", trained.checkpoint, "--json")
    assert (ran.code, ran.err, ran.json) == (0, "", [read_card(trained.checkpoint)])
    ran = ganrm("info", trained.checkpoint)
    assert (ran.code, ran.err) == (0, "")
    told = {line[:14].strip(): line[14:] for line in ran.lines}
    assert told["backbone"].startswith("file:tiny.safetensors (weights ")
    assert told["trained on"] == "14 liked, 15 ordinary pictures"
    assert told["held out by"].endswith("(29 pictures)")
    assert told["seed"] == "0"


class TestUsage:
    def test_help_and_version(self, ganrm: Ganrm) -> None:
        commands = ["demo", "train", "refine", "score", "best", "evaluate", "info"]
        for command in ([], *([command] for command in commands)):
            ran = ganrm(*command, "--help")
            assert (ran.code, ran.err) == (0, "")
            assert ran.out.startswith("usage: ganrm")
        ran = ganrm("--version")
        assert (ran.code, ran.out[:6]) == (0, "ganrm ")

    def test_wrong_usage(self, ganrm: Ganrm) -> None:
        for arguments in (
            "",
            "trian",
            "train --liked a --ordinary b",
            "score model.safetensors",
            "score model.safetensors a.png --json --csv",
            "best model.safetensors folder --output x --copy --move",
            "best model.safetensors folder --output x --group-size 2 --group-by x",
            "info",
        ):
            ran = ganrm(*arguments.split())
            assert (ran.code, ran.out) == (2, "")
            assert "usage: ganrm" in ran.err
            assert "error: " in ran.err

    def test_a_device_that_is_not_there(self, trained: Any, ganrm: Ganrm) -> None:
        ran = ganrm("score", trained.checkpoint, trained.liked, "--device", "abacus")
        assert (ran.code, ran.out) == (2, "")
        assert re.fullmatch(r"ganrm: The device 'abacus' cannot be used .*Use --device cpu\.\n", ran.err)

    def test_the_demo_refuses_a_bad_seed_before_any_work(self, tmp_path: Path, ganrm: Ganrm) -> None:
        assert ganrm("demo", "--output", tmp_path / "demo", "--seed", -1).code == 2
        assert names(tmp_path) == []
