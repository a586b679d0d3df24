"""Prompts of the pack's own nodes, and the workflows it ships made small."""

from __future__ import annotations

import json
from typing import Any

from host_support.install import PACK
from host_support.prompts import Json, node, sampling, text_to_image
from host_support.tiny_generator import CHECKPOINT

WORKFLOWS = sorted(path.stem for path in (PACK / "workflows").glob("*.json"))

_SMALL = {"width": 64, "height": 64, "steps": 2}
_SWAPPED = {"sd_xl_base_1.0.safetensors": CHECKPOINT}


def image_folder(folder: str, rating: str = "any") -> Json:
    return node("GANRMImageFolder", folder=folder, recursive=False, rating=rating)


def training(
    liked: str = "input/liked", ordinary: str = "input/ordinary", *, name: str = "taste", **settings: Any
) -> Json:
    """Nodes "liked", "ordinary", "train" and "save"."""
    widgets = {"backbone": "efficientnet_lite0", "preset": "default", "adapt": "none", "views": 1, "seed": 0}
    sets = {"liked": ["liked", 0], "ordinary": ["ordinary", 0]}
    return {
        "liked": image_folder(liked),
        "ordinary": image_folder(ordinary),
        "train": node("GANRMTrain", **sets, name=name, **{**widgets, **settings}),
        "save": saved_model("train", name),
    }


def saved_model(source: str, name: str) -> Json:
    return node("GANRMSaveModel", reward=[source, 0], name=name)


def loaded(model: str) -> Json:
    return node("GANRMLoadModel", model=model)


def scored(**inputs: Any) -> Json:
    """Score Images of node "images" by node "load"."""
    given = {"images": ["images", 0], "reward": ["load", 0], "group_size": 0, "candidate": "each image"}
    return node("GANRMScore", **{**given, **inputs})


def scoring(model: str, sizes: str = "64x64") -> Json:
    """Nodes "images", "load" and "score"."""
    return {"images": node("ProbeImages", sizes=sizes), "load": loaded(model), "score": scored()}


def score_folder(model: str, **inputs: Any) -> Json:
    """Nodes "load" and "folder": Score Folder, which copies the best two of input/liked to output/best."""
    given = {"folder": "input/liked", "keep": 2, "save_to": "best", "recursive": False}
    given |= {"min_score": 0.0, "place": "copy", "reward": ["load", 0], **inputs}
    return {"load": loaded(model), "folder": node("GANRMScoreFolder", **given)}


def best_of_n(**inputs: Any) -> Json:
    """Best of N of node "images"; a reward, or scores from elsewhere, are the caller's to give."""
    given: Json = {"images": ["images", 0], "keep": 1, "group_size": 0, "min_score": 0.0, "min_keep": 0}
    return node("GANRMBestOfN", **{**given, "order": "ranked", "candidate": "each image", **inputs})


def best_of_n_sampler(**inputs: Any) -> Json:
    """Best-of-N Sampler with the nodes of `text_to_image` and "load"; prunes 4 candidates to 1."""
    core = sampling(negative=["text", 0], vae=["vae", 0], reward=["load", 0])
    own = {"n": 4, "keep": 1, "pruning": "standard", "custom_pruning": "", "look_with": "vae", "together": 1}
    return node("GANRMBestOfNSampler", **{**core, **own, "stop_below": 0.0, "round_size": 4, **inputs})


def groups(taste: str, text: str = "a {red|blue} picture", **inputs: Any) -> Json:
    """Nodes "prompts" and "groups", with those of `text_to_image` they need and "load"."""
    core = text_to_image()
    lists = {
        "text": text,
        "file": "none",
        "negative": "",
        "choices": "all combinations",
        "seed": 0,
        "most": 200,
    }
    links = {"model": ["model", 0], "prompts": ["prompts", 0], "vae": ["vae", 0], "reward": ["load", 0]}
    widgets = {"seed": 0, "steps": 3, "cfg": 1.5, "sampler_name": "euler", "scheduler": "simple"}
    counts = {"latent_image": ["empty", 0], "pictures": 3, "count": 4}
    return {
        **{name: core[name] for name in ("model", "vae", "empty")},
        "load": loaded(taste),
        "prompts": node("GANRMPrompts", clip=["model", 1], **lists),
        "groups": node("GANRMMakeGroups", **{**links, **widgets, **counts, **inputs}),
    }


def lora_training(taste: str, **inputs: Any) -> Json:
    """Node "lora" with those of `groups`: 8 groups of 4 pictures, 3 steps."""
    links = {"model": ["model", 0], "groups": ["groups", 0], "vae": ["vae", 0]}
    widgets = {"method": "best", "steps": 3, "learning_rate": 0.01, "rank": 4, "seed": 0}
    made = groups(taste, "a {cat|dog}\na house", steps=2, cfg=1.0, pictures=4, count=8)
    return {**made, "lora": node("GANRMTrainOnGroups", **{**links, **widgets, **inputs})}


def adversarial_training(taste: str, **inputs: Any) -> Json:
    """Node "lora" with those of `groups` it needs and "liked": 2 rounds of 2 groups of 4 pictures, watched every round."""
    made = groups(taste, "a {cat|dog}\na house")
    del made["groups"]
    links = {"model": ["model", 0], "prompts": ["prompts", 0], "vae": ["vae", 0], "reward": ["load", 0]}
    links |= {"references": ["liked", 0], "latent_image": ["empty", 0]}
    widgets = {"seed": 0, "steps": 3, "cfg": 1.5, "sampler_name": "euler", "scheduler": "simple"}
    widgets |= {
        "method": "nft",
        "rounds": 2,
        "groups": 2,
        "pictures": 4,
        "refresh": True,
        "patches": False,
        "anchor": 0.1,
    }
    widgets |= {"learning_rate": 0.001, "rank": 4, "watch_every": 1, "watched": 4}
    liked = image_folder("input/liked")
    return {
        **made,
        "liked": liked,
        "lora": node("GANRMAdversarialTraining", **{**links, **widgets, **inputs}),
    }


def save_images(source: str, prefix: str, **inputs: Any) -> Json:
    """Save Images with Score of a node's first output."""
    given = {"images": [source, 0], "filename_prefix": prefix, "format": "png", "quality": 95}
    return node("GANRMSaveImages", **{**given, **inputs})


def shipped_graph(name: str) -> Json:
    """A shipped workflow in UI format with the tiny generator's file name."""
    graph: Json = json.loads((PACK / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    for each in graph["nodes"]:
        each["widgets_values"] = [_swapped(value) for value in each.get("widgets_values") or []]
    return graph


def shipped_models() -> list[dict[str, str]]:
    """The public files that shipped workflows name: each a name, the address, and the folder in models."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted((PACK / "workflows").glob("*.json")):
        for each in json.loads(path.read_text(encoding="utf-8"))["nodes"]:
            found.update({model["name"]: model for model in each["properties"].get("models", [])})
    return list(found.values())


def shipped_prompt(name: str) -> Json:
    """A shipped workflow in API format with the tiny generator's file name."""
    prompt: Json = json.loads((PACK / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))
    for each in prompt.values():
        each["inputs"] = {key: _swapped(value) for key, value in each["inputs"].items()}
    return prompt


def small_prompt(name: str) -> Json:
    """A shipped workflow in API format whose pictures are small and whose samplers take few steps."""
    prompt = shipped_prompt(name)
    for each in prompt.values():
        each["inputs"].update({name: value for name, value in _SMALL.items() if name in each["inputs"]})
    return prompt


def all_of(prompt: Json, class_type: str) -> list[str]:
    """The keys of all nodes of a class."""
    return [key for key, each in prompt.items() if each["class_type"] == class_type]


def only(prompt: Json, class_type: str) -> str:
    """The key of the one node of a class."""
    (key,) = all_of(prompt, class_type)
    return key


def _swapped(value: Any) -> Any:
    return _SWAPPED.get(value, value) if isinstance(value, str) else value
