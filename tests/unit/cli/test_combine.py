"""`ganrm combine`, and the commands that take what it wrote."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.rewards.combination_file import load_reward, read_combination, write_combination
from ganrm_core.rewards.combined import CombinedReward
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.utils.errors import CheckpointError, DataError, OutputError

Ganrm = Callable[..., Any]


@pytest.fixture
def models(trained: Any, tmp_path: Path) -> list[Path]:
    """Two copies of a model, one in a subfolder, each beside its backbone."""
    folders = (tmp_path / "models", tmp_path / "models" / "more")
    return [
        (shutil.copytree(trained.checkpoint.parent, folder) / "taste.safetensors").rename(folder / name)
        for folder, name in zip(folders, ("style.safetensors", "sharp.safetensors"), strict=True)
    ]


@pytest.fixture
def recipe(models: list[Path]) -> Path:
    path = models[0].with_name("both.json")
    write_combination(path, [(models[0], 1.0), (models[1], -0.25)])
    return path


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    for key, value in changes.items():
        (content["parts"][0] if key in content["parts"][0] else content)[key] = value
    path.write_text(json.dumps(content))


class TestCombine:
    def test_it_writes_what_is_combined(self, models: list[Path], ganrm: Ganrm) -> None:
        output = models[0].with_name("both.json")
        ran = ganrm("combine", models[0], f"{models[1]}:-0.25", "--output", output, "--name", "Both of them")
        assert ran.code == 0, ran.err
        assert [line.split(maxsplit=1) for line in ran.lines] == [
            ["written", str(output)],
            ["1", "style.safetensors (80%)"],
            ["-0.25", "more/sharp.safetensors (-20%)"],
        ]
        content = json.loads(output.read_text())
        assert (content["ganrm_combination"], content["name"]) == (1, "Both of them")
        assert [(part["file"], part["weight"]) for part in content["parts"]] == [
            ("style.safetensors", 1.0),
            ("more/sharp.safetensors", -0.25),
        ]
        assert "models" not in output.read_text()  # no path of this machine

    def test_weights_and_json(
        self, models: list[Path], ganrm: Ganrm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(models[0].parent)
        shutil.copy(models[0], "taste:2")
        ran = ganrm("combine", "style.safetensors:-.5", "taste:2", "--output", "mix.json", "--json")
        assert ran.json == [json.loads(Path("mix.json").read_text())]
        assert ran.json[0]["name"] == "mix"
        parts = [(part["file"], part["weight"]) for part in ran.json[0]["parts"]]
        assert parts == [("style.safetensors", -0.5), ("taste:2", 1.0)], "a file of that very name"

    def test_refusals(self, models: list[Path], tmp_path: Path, ganrm: Ganrm) -> None:
        output = tmp_path / "both.json"
        for model, target, message in (
            (models[0], tmp_path / "both.safetensors", "ends in .json"),
            (f"{models[0]}:0", output, "other than 0"),
            (f"{models[0]}:nan", output, "the weight of"),
            (tmp_path / "absent.safetensors", output, "no checkpoint at"),
            ("C:\\a.safetensors", output, 'no checkpoint at "C:\\a.safetensors"'),
            ("C:\\a.safetensors:3", output, 'no checkpoint at "C:\\a.safetensors"'),
            (tmp_path / "absent.json", output, "no combination at"),
            (models[0], tmp_path / "absent" / "both.json", "absent"),
        ):
            ran = ganrm("combine", model, "--output", target)
            assert (ran.code, message in ran.err) == (2, True), ran.err
            assert not output.exists()
        output.write_text("mine")
        assert ganrm("combine", *models, "--output", output).code == 2
        assert output.read_text() == "mine"


class TestLoad:
    def test_it_judges_as_its_parts_do_and_holds_one_backbone(
        self, models: list[Path], recipe: Path, trained: Any
    ) -> None:
        pictures = sorted(trained.liked.iterdir())[:3]
        reward = load_reward(recipe)
        assert isinstance(reward, CombinedReward)
        assert (reward.name, reward.shared) == ("both", [[*reward.rewards]])
        assert reward.rewards[0].backbone is reward.rewards[1].backbone
        alone = RewardModel.load(models[0])
        expected = alone.score(pictures)
        odds = expected.logit / alone.calibration.temperature + alone.calibration.bias
        assert reward.score(pictures).logit.tolist() == pytest.approx((0.6 * odds).tolist(), abs=1e-3)

    def test_a_recipe_elsewhere_and_one_of_a_recipe(
        self, models: list[Path], recipe: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "mixes").mkdir()
        path = tmp_path / "mixes" / "outer.json"
        written = write_combination(path, [(recipe, 1.0), (models[0], 1.0)])
        assert [part.file for part in written.parts] == ["../models/both.json", "../models/style.safetensors"]
        shutil.move(tmp_path / "mixes", tmp_path / "moved")
        reward = load_reward(tmp_path / "moved" / "outer.json")
        assert isinstance(reward, CombinedReward)
        assert reward.shares == pytest.approx((0.4, -0.1, 0.5))

    def test_a_part_that_is_gone_or_another(self, models: list[Path], recipe: Path) -> None:
        models[1].rename(models[1].with_name("renamed.safetensors"))
        with pytest.raises(CheckpointError, match=r'combines "more/sharp.safetensors", which is not there'):
            load_reward(recipe)
        models[1].write_bytes(b"another")
        with pytest.raises(CheckpointError, match="its content differs"):
            load_reward(recipe)

    def test_a_strangers_recipe_names_no_drive_or_machine(self, recipe: Path) -> None:
        drive = ["/etc/passwd", "C:\\secret.safetensors", "\\\\server\\share\\a", "//server/a"]
        for file in [*drive, "a\0b", "a" * 1001, 7, None]:
            edit(recipe, file=file)
            with pytest.raises(CheckpointError, match="is no combination of GAN-RMs, or is damaged"):
                load_reward(recipe)

    def test_a_newer_or_damaged_recipe(self, recipe: Path) -> None:
        edit(recipe, ganrm_combination=3)
        with pytest.raises(CheckpointError, match="format 3; this version of GAN-RM reads up to 2"):
            read_combination(recipe)
        damaged = b'{"ganrm_combination": 1, "parts": [{"file": "a", "sha256": "b", "weight": NaN}]}'
        for content in (
            b"",
            b"\xff\xfe",
            b"{}",
            b'{"ganrm_combination": 1, "parts": []}',
            damaged,
            b" " * 2_000_000,
        ):
            recipe.write_bytes(content)
            with pytest.raises(CheckpointError, match=r'"\S*both.json" is no combination'):
                read_combination(recipe)


class TestCommands:
    def test_score_best_and_evaluate(self, recipe: Path, trained: Any, tmp_path: Path, ganrm: Ganrm) -> None:
        ran = ganrm("score", recipe, trained.liked, "--json")
        scores = load_reward(recipe).score(sorted(trained.liked.iterdir()))
        for key in ("score", "uncertainty"):
            expected = getattr(scores, key).tolist()
            assert [line[key] for line in ran.json] == pytest.approx(expected, abs=1e-4)
        best = ganrm("best", recipe, trained.liked, "--keep", 2, "--output", tmp_path / "best", "--json")
        assert [line["rank"] for line in best.json] == [1, 2]
        sets = ("--liked", trained.liked, "--ordinary", trained.ordinary)
        assert ganrm("evaluate", recipe, *sets, "--json").json[0]["auc"] > 0.5
        assert ganrm("info", tmp_path / "absent.json").code == 2

    def test_info(self, recipe: Path, models: list[Path], ganrm: Ganrm) -> None:
        outer = recipe.with_name("outer.json")
        write_combination(outer, [(models[0], 1.0), (recipe, -0.25)])
        ran = ganrm("info", outer)
        assert ran.code == 0, ran.err
        facts = [line.split(maxsplit=1) for line in ran.lines if line]
        assert facts[0] == ["combination", "outer"]
        assert [value for name, value in facts if name == "model"] == ["style.safetensors", "both.json"]
        assert [value for name, value in facts if name == "weight"] == ["1", "-0.25"]
        assert sum(name == "held-out" for name, _ in facts) == 1
        (line,) = ganrm("info", recipe, "--json").json
        assert [card["backbone"]["name"] for card in line["cards"]] == ["file:tiny.safetensors"] * 2


def test_weights_and_places_that_cannot_be_written_down(models: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"The weight of .*sharp.safetensors. is nan"):
        write_combination(tmp_path / "both.ganrm.json", [(models[0], 1.0), (models[1], math.nan)])
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))  # a name that is not valid UTF-8
    shutil.copytree(models[1].parent, odd)
    with pytest.raises(OutputError, match="No path leads from the combination"):
        write_combination(tmp_path / "both.ganrm.json", [(models[0], 1.0), (odd / models[1].name, 1.0)])
    assert not (tmp_path / "both.ganrm.json").exists()
