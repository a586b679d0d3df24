"""`--prompt` and `--prompts` for a model that judges by the prompt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from unit_support.rewards import AsAsked

Ganrm = Callable[..., Any]


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dark and two light pictures; the first two store a prompt. Every model file is a reward that reads prompts."""
    for command in ("score", "best", "heatmap"):
        monkeypatch.setattr(f"ganrm_core.cli.{command}.load_model", lambda _: AsAsked())
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, level, prompt in (("a", 30, "dim"), ("b", 200, "dim"), ("c", 230, "")):
        info = PngImagePlugin.PngInfo()
        if prompt:
            graph = {
                "1": {"class_type": "KSampler", "inputs": {"seed": 1, "positive": ["2", 0]}},
                "2": {"class_type": "CLIPTextEncode", "inputs": {"text": prompt}},
                "3": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["1", 0]}},
            }
            info.add_text("prompt", json.dumps(graph))
        Image.new("L", (24, 24), level).save(folder / f"{name}.png", pnginfo=info)
    return folder


def scores(ran: Any) -> dict[str, Any]:
    return {Path(line["file"]).stem: line.get("skipped") or round(line["logit"], 2) for line in ran.json}


def test_score_takes_the_stored_prompt(pictures: Path, ganrm: Ganrm) -> None:
    ran = ganrm("score", "model", pictures, "--json")
    assert scores(ran) == {"a": 0.88, "b": 0.22, "c": "no prompt is stored in it"}
    assert "1 file was skipped" in ran.err


def test_score_with_one_prompt_and_with_a_file(pictures: Path, tmp_path: Path, ganrm: Ganrm) -> None:
    ran = ganrm("score", "model", pictures, "--json", "--prompt", "a bright day")
    assert scores(ran) == {"a": 0.12, "b": 0.78, "c": 0.9}
    table = tmp_path / "prompts.csv"
    table.write_text("file,prompt\npictures/a.png,bright\npictures/c.png,dim\n")
    ran = ganrm("score", "model", pictures, "--json", "--prompts", table)
    assert scores(ran) == {"a": 0.12, "b": '"prompts.csv" has no prompt for it', "c": 0.1}


def test_best(pictures: Path, tmp_path: Path, ganrm: Ganrm) -> None:
    ran = ganrm("best", "model", pictures, "--output", tmp_path / "one", "--json")
    assert [Path(line["file"]).name for line in ran.json] == ["a.png", "c.png"]
    assert "no prompt is stored in it" in (tmp_path / "one" / "scores.csv").read_text("utf-8-sig")
    ran = ganrm("best", "model", pictures, "--output", tmp_path / "two", "--json", "--prompt", "bright")
    assert [Path(line["file"]).name for line in ran.json] == ["c.png"]


def test_heatmap(pictures: Path, tmp_path: Path, ganrm: Ganrm) -> None:
    ran = ganrm("heatmap", "model", pictures, "--output", tmp_path / "maps", "--json")
    assert [line.get("skipped") for line in ran.json] == [None, None, "no prompt is stored in it"]


def test_no_prompt_at_all(pictures: Path, tmp_path: Path, ganrm: Ganrm) -> None:
    ran = ganrm("score", "model", pictures / "c.png")
    assert ran.code == 2
    assert "no prompt is stored in it" in ran.err
    (pictures / "a.png").unlink()
    (pictures / "b.png").unlink()
    ran = ganrm("best", "model", pictures, "--output", tmp_path / "none")
    assert ran.code == 2
    assert "--prompt or --prompts" in ran.err


@pytest.mark.parametrize("options", [("--prompt", " "), ("--prompt", "a", "--prompts", "b")])
def test_options_that_make_no_sense(pictures: Path, ganrm: Ganrm, options: tuple[str, ...]) -> None:
    ran = ganrm("score", "model", pictures, *options)
    assert ran.code == 2
    assert "--prompt" in ran.err
