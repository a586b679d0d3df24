"""The shipped workflows, made to run here: pictures of two kinds in the input folder, and the tiny generator's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from host_support.tiny_generator import CHECKPOINT
from PIL import Image

if TYPE_CHECKING:
    from host_support.server import Server

    from .page import ComfyPage

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
_STEPS = {"KSampler": 2, "GANRMBestOfNSampler": 10}


def write_pictures(server: Server) -> None:
    """Liked pictures are warm, ordinary ones cold, and no two are alike."""
    rng = np.random.default_rng(0)
    for name in ("liked", "ordinary", "liked_test", "ordinary_test"):
        folder = server.folder("input", name)
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(14):
            coarse = rng.uniform(40, 215, (6, 6, 3))
            coarse[..., 0 if name.startswith("liked") else 2] += 40
            picture = Image.fromarray(coarse.clip(0, 255).astype(np.uint8)).resize(
                (96, 96), Image.Resampling.BICUBIC
            )
            picture.save(folder / f"{index}.png")


def drop_shipped(page: ComfyPage, name: str, folder: Path) -> dict[str, int]:
    """Drop a shipped workflow with the tiny generator's file names and sizes. Returns the ids of its nodes by type.

    `folder` takes the changed file.
    """
    graph = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    for node in graph["nodes"]:
        values = node.get("widgets_values") or []
        if node["type"] == "CheckpointLoaderSimple":
            values[0] = CHECKPOINT
        if node["type"] == "EmptyLatentImage":
            values[:2] = [64, 64]
        if node["type"] in _STEPS:
            values[2] = _STEPS[node["type"]]
    path = folder / f"{name}.json"
    path.write_text(json.dumps(graph), encoding="utf-8")
    page.drop_file(path)
    return {node["type"]: node["id"] for node in graph["nodes"]}
