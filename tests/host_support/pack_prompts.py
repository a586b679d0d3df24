"""Prompts of the pack's own nodes, and the workflows it ships made small."""

from __future__ import annotations

import json
from typing import Any

from host_support.install import PACK
from host_support.prompts import Json, node
from host_support.tiny_generator import CHECKPOINT

WORKFLOWS = sorted(path.stem for path in (PACK / "workflows").glob("*.json"))

_SMALL = {"width": 64, "height": 64, "steps": 2}
_SWAPPED = {"sd_xl_base_1.0.safetensors": CHECKPOINT}


def training(
    liked: str = "input/liked", ordinary: str = "input/ordinary", *, name: str = "taste", **settings: Any
) -> Json:
    """Nodes "liked", "ordinary", "train" and "save"."""
    widgets = {
        "name": name,
        "backbone": "efficientnet_lite0",
        "preset": "default",
        "adapt": "none",
        "views": 1,
        "seed": 0,
        **settings,
    }
    return {
        "liked": node("GANRMImageFolder", folder=liked, recursive=False),
        "ordinary": node("GANRMImageFolder", folder=ordinary, recursive=False),
        "train": node("GANRMTrain", liked=["liked", 0], ordinary=["ordinary", 0], **widgets),
        "save": node("GANRMSaveModel", reward=["train", 0], name=name),
    }


def images(sizes: str, *, form: str = "batch", seed: int = 0, frames: int = 1, channels: int = 3) -> Json:
    """A node of the probe pack that makes pictures, such as "64x48, 64x48"."""
    return node("ProbeImages", sizes=sizes, form=form, seed=seed, channels=channels, frames=frames)


def loaded(model: str) -> Json:
    return node("GANRMLoadModel", model=model)


def scored(**inputs: Any) -> Json:
    """Score Images of node "images" by node "load"."""
    given = {"images": ["images", 0], "reward": ["load", 0], "group_size": 0, "candidate": "each image"}
    return node("GANRMScore", **{**given, **inputs})


def best_of_n(**inputs: Any) -> Json:
    """Best of N of node "images"; a reward, or scores from elsewhere, are the caller's to give."""
    given = {
        "images": ["images", 0],
        "keep": 1,
        "group_size": 0,
        "min_score": 0.0,
        "min_keep": 0,
        "order": "ranked",
        "candidate": "each image",
    }
    return node("GANRMBestOfN", **{**given, **inputs})


def shipped_graph(name: str) -> Json:
    """A shipped workflow in UI format with the tiny generator's file name."""
    graph: Json = json.loads((PACK / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    for each in graph["nodes"]:
        values = each.get("widgets_values")
        if isinstance(values, list):
            each["widgets_values"] = [_swapped(value) for value in values]
    return graph


def shipped_prompt(name: str) -> Json:
    """A shipped workflow in API format with the tiny generator's file name."""
    prompt: Json = json.loads((PACK / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))
    for each in prompt.values():
        each["inputs"] = {key: _swapped(value) for key, value in each["inputs"].items()}
    return prompt


def made_small(prompt: Json) -> Json:
    """A copy whose pictures are small and whose samplers take few steps."""
    return {
        key: {
            **each,
            "inputs": {**each["inputs"], **{n: v for n, v in _SMALL.items() if n in each["inputs"]}},
        }
        for key, each in prompt.items()
    }


def only(prompt: Json, class_type: str) -> str:
    """The key of the one node of a class."""
    (key,) = [key for key, each in prompt.items() if each["class_type"] == class_type]
    return key


def _swapped(value: Any) -> Any:
    return _SWAPPED.get(value, value) if isinstance(value, str) else value
