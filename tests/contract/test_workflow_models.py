"""Workflows say where the public files they name come from: the page offers them to whoever lacks them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
LOADER = "CheckpointLoaderSimple"
NAMES = sorted(path.stem for path in WORKFLOWS.glob("*.json") if LOADER in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_every_checkpoint_can_be_fetched(name: str) -> None:
    graph = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    loaders = [node for node in graph["nodes"] if node["type"] == LOADER]
    assert loaders
    for node in loaders:
        (model,) = node["properties"]["models"]
        assert set(model) == {"name", "url", "directory"}
        assert model["name"] == node["widgets_values"][0] == model["url"].rpartition("/")[2]
        assert model["url"].startswith("https://huggingface.co/")
        assert model["directory"] == "checkpoints"
