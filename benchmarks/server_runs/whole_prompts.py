"""A prompt around any node of the pack, made from what the server says of its inputs: new nodes need nothing here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host_support.pack_prompts import groups, image_folder, loaded, lora_training
from host_support.prompts import Json, images, node, text_to_image
from host_support.tiny_rewards import HALF, OTHER_HALF

from .served import TASTE

MODEL = f"{TASTE}.safetensors"
NODE = "attacked"
_SMALL = {
    **{
        "steps": 2,
        "cfg": 1.0,
        "pictures": 2,
        "count": 2,
        "n": 2,
        "keep": 1,
        "rounds": 1,
        "groups": 1,
        "rank": 2,
    },
    **{"views": 1, "round_size": 2, "watched": 2, "watch_every": 1, "most": 4, "batch": 2, "micro_batch": 2},
    **{"grow": 0, "blur": 0, "learning_rate": 0.001, "text": "a {red|blue} picture", "folder": "input/liked"},
    **{"name": "hostile", "sampler_name": "euler", "scheduler": "simple", "reason_length": 4},
}
"""Widgets by name: little work, and values that exist."""
_CHOSEN: Mapping[str, Json] = {
    "GANRMLoadModel": {"model": MODEL},
    "GANRMPromptFit": {"model": HALF, "text_encoder": OTHER_HALF},
    "GANRMKnownReward": {"judge": "PickScore v1"},
    "GANRMVisionLanguageReward": {"model": "ganrm_judges/Tiny-VL"},
    "GANRMExportGroups": {"folder": "hostile"},
    "GANRMTrainOnGroups": {"keep": 0},
}
_ANYWAY = ("reward",)
"""Optional inputs without which a node has nothing to judge by."""


class UnknownTypeError(Exception):
    """A socket type that no producer is known for."""


def named_inputs(about: Json) -> dict[str, bool]:
    """The inputs of a node that take text or a choice, and whether their values may name something on the disk."""
    return {
        name: _may_name(spec)
        for name, spec in _inputs(about).items()
        if "STRING" in _kind(spec) or _is_choice(spec)
    }


def whole_prompt(class_type: str, about: Json) -> Json:
    """A prompt that runs a node, under the key NODE, on small inputs; its outputs are recorded."""
    given: Json = {}
    prompt: Json = {}
    for name, spec in _inputs(about).items():
        if name not in about["input"].get("required", {}) and name not in _ANYWAY:
            continue
        if _is_widget(spec):
            given[name] = _value(class_type, name, spec)
        else:
            nodes, given[name] = _made(_kind(spec), name)
            prompt.update(nodes)
    prompt[NODE] = node(class_type, **given)
    outputs = {f"value{slot or ''}": [NODE, slot] for slot in range(min(8, len(about["output"])))}
    prompt["recorded"] = node("ProbeEcho", label=NODE, **outputs)
    return prompt


def _inputs(about: Json) -> dict[str, list[Any]]:
    return {**about["input"].get("required", {}), **about["input"].get("optional", {})}


def _kind(spec: list[Any]) -> str:
    return spec[0] if isinstance(spec[0], str) else "COMBO"


def _is_choice(spec: list[Any]) -> bool:
    return _kind(spec) == "COMBO"


def _options(spec: list[Any]) -> list[Any]:
    return spec[0] if isinstance(spec[0], list) else (spec[1] if len(spec) > 1 else {}).get("options", [])


def _may_name(spec: list[Any]) -> bool:
    return not _is_choice(spec) or any("/" in str(option) or "." in str(option) for option in _options(spec))


def _is_widget(spec: list[Any]) -> bool:
    forced = len(spec) > 1 and spec[1].get("forceInput")
    return not forced and (_is_choice(spec) or _kind(spec) in ("STRING", "INT", "FLOAT", "BOOLEAN"))


def _value(class_type: str, name: str, spec: list[Any]) -> Any:
    chosen = {**_SMALL, **_CHOSEN.get(class_type, {})}
    settings = spec[1] if len(spec) > 1 else {}
    if name in chosen:
        return chosen[name]
    if "default" in settings:
        return settings["default"]
    return _options(spec)[0] if _is_choice(spec) else ""


def _made(kinds: str, name: str) -> tuple[Json, list[Any]]:
    """Nodes that make a value of a type, and the link to it."""
    core, grouped = text_to_image(steps=2, count=1), groups(MODEL, count=2, pictures=2, steps=2)
    made: dict[str, tuple[Json, list[Any]]] = {
        "IMAGE": ({"images": images("64x64, 64x64")}, ["images", 0]),
        "MASK": ({"masks": node("ProbeMasks", count=2)}, ["masks", 0]),
        "LATENT": ({"empty": core["empty"]}, ["empty", 0]),
        "MODEL": ({"model": core["model"]}, ["model", 0]),
        "CLIP": ({"model": core["model"]}, ["model", 1]),
        "VAE": ({"vae": core["vae"]}, ["vae", 0]),
        "CONDITIONING": ({"model": core["model"], "text": core["text"]}, ["text", 0]),
        "NOISE": ({"noise": node("RandomNoise", noise_seed=1)}, ["noise", 0]),
        "SAMPLER": ({"chosen": node("KSamplerSelect", sampler_name="euler")}, ["chosen", 0]),
        "SIGMAS": (
            {
                "model": core["model"],
                "sigmas": node(
                    "BasicScheduler", model=["model", 0], scheduler="simple", steps=2, denoise=1.0
                ),
            },
            ["sigmas", 0],
        ),
        "GUIDER": (
            {**core, "guider": node("BasicGuider", model=["model", 0], conditioning=["text", 0])},
            ["guider", 0],
        ),
        "GANRM_REWARD": ({"load": loaded(MODEL)}, ["load", 0]),
        "GANRM_DATASET": _dataset(name),
        "GANRM_PROMPTS": ({key: grouped[key] for key in ("model", "prompts")}, ["prompts", 0]),
        "GANRM_GROUPS": (grouped, ["groups", 0]),
        "LORA_MODEL": (lora_training(MODEL, steps=1), ["lora", 0]),
    }
    for kind in kinds.split(","):
        if kind in made:
            return made[kind]
    raise UnknownTypeError(f"no node is known that makes {kinds}: add one to {__name__}")


def _dataset(name: str) -> tuple[Json, list[Any]]:
    kind = "ordinary" if name == "ordinary" else "liked"
    return {kind: image_folder(f"input/{kind}")}, [kind, 0]
