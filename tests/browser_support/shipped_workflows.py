"""Shipped workflows made to run on the tiny generator, with small pictures and few steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from host_support.tiny_generator import CHECKPOINT

if TYPE_CHECKING:
    from .page import ComfyPage

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
NAMES = sorted(path.stem for path in WORKFLOWS.glob("*.json"))
APP = "1 Train your taste (App)"
"""Newer pages open it without its graph."""
GOLD = (255, 196, 61)
"""The colour of what is chosen, in all that nodes draw."""
_STEPS = {"KSampler": 2, "GANRMBestOfNSampler": 10}


def drop_shipped(page: ComfyPage, name: str, folder: Path) -> dict[str, int]:
    """Drop a shipped workflow, made small. Returns the ids of its nodes by type.

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
