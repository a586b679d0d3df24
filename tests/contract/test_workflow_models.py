"""Workflows say where the public files they name come from: the page offers them to whoever lacks them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
DIRECTORIES = {
    "CheckpointLoaderSimple": "checkpoints",
    "UNETLoader": "diffusion_models",
    "CLIPLoader": "text_encoders",
    "DualCLIPLoader": "text_encoders",
    "VAELoader": "vae",
}
NAMES = sorted(
    path.stem
    for path in WORKFLOWS.glob("*.json")
    if any(f'"{loader}"' in path.read_text(encoding="utf-8") for loader in DIRECTORIES)
)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_a_generator_can_be_fetched(name: str) -> None:
    graph = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    loaders = [node for node in graph["nodes"] if node["type"] in DIRECTORIES]
    assert loaders
    for node in loaders:
        models = node["properties"]["models"]
        files = [value for value in node["widgets_values"] if value.endswith(".safetensors")]
        assert files
        assert [model["name"] for model in models] == files
        for model in models:
            assert set(model) == {"name", "url", "directory"}
            assert model["url"].startswith("https://huggingface.co/")
            assert model["url"].rpartition("/")[2] == model["name"]
            assert model["directory"] == DIRECTORIES[node["type"]]
