"""Hostile workflows: a value that names what lies outside, in one widget, link, node key or metadata field."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from host_support.hostile_names import Attack, attacks
from host_support.pack_prompts import image_folder, save_images, score_folder
from host_support.prompts import Json, echo, images, node

from .hostile_pictures import FOLDER
from .whole_prompts import MODEL, NODE, named_inputs, whole_prompt

_WIDGET, _LINK, _KEY, _METADATA, _PICTURES = "widget", "link", "node key", "metadata", "pictures"


@dataclass(frozen=True)
class Workflow:
    """where: what is attacked, such as "widget GANRMScoreFolder.folder". workflow: what is written into saved files."""

    where: str
    attack: Attack
    prompt: Json
    workflow: Json = field(default_factory=dict)


def workflows(info: Mapping[str, Json], outside: Path, seed: int) -> Iterator[Workflow]:
    """Endless; every input is attacked once before any is again, those more often whose values name something.

    info: what the server says of its nodes
    """
    random = Random(seed)
    ours = {name: about for name, about in info.items() if name.startswith("GANRM")}
    every = attacks(outside)
    kinds = sorted({attack.kind for attack in every})
    while True:
        for name, input_name in _rounds(ours, random):
            # First the kind: there are many more of some.
            kind = random.choice(kinds)
            attack = random.choice([each for each in every if each.kind == kind])
            yield _workflow(name, input_name, ours[name], attack, random)
            if random.random() < 0.15:
                yield _elsewhere(name, ours[name], attack, random)


def _rounds(ours: Mapping[str, Json], random: Random) -> list[tuple[str, str]]:
    pairs = [
        (name, each)
        for name, about in ours.items()
        for each, names_something in named_inputs(about).items()
        for _ in range(2 if names_something else 1)
    ]
    random.shuffle(pairs)
    return pairs


def _workflow(name: str, input_name: str, about: Json, attack: Attack, random: Random) -> Workflow:
    prompt = whole_prompt(name, about)
    # Over a link only text travels.
    if isinstance(attack.value, str) and (
        random.random() < 0.3 or prompt[NODE]["inputs"].get(input_name, "") is None
    ):
        prompt["value"] = node("PrimitiveString", value=attack.value)
        prompt["any"] = node("ProbePass", value=["value", 0])
        prompt[NODE]["inputs"][input_name] = ["any", 0]
        return Workflow(f"{_LINK} {name}.{input_name}", attack, prompt)
    prompt[NODE]["inputs"][input_name] = attack.value
    return Workflow(f"{_WIDGET} {name}.{input_name}", attack, prompt)


def _elsewhere(name: str, about: Json, attack: Attack, random: Random) -> Workflow:
    """The value outside widgets: as a node's key, in the workflow that is saved with pictures, or in read pictures."""
    text = str(attack.value)
    place = random.choice([_KEY, _METADATA, _PICTURES])
    if place == _KEY:
        return Workflow(f"{_KEY} {name}", attack, _renamed(whole_prompt(name, about), text))
    if place == _METADATA:
        saved = {"images": images("64x64"), "save": save_images("images", "hostile", reward=["load", 0])}
        saved["load"] = node("GANRMLoadModel", model=MODEL)
        graph = {"nodes": [{"type": text, "title": text, "widgets_values": [text]}], "extra": {text: text}}
        return Workflow(_METADATA, attack, saved, graph)
    # The pictures' own metadata names what lies outside; a reward that needs prompts reads them.
    prompt = score_folder(MODEL, folder=FOLDER, save_to="hostile")
    prompt["load"] = node("ProbeReward") if random.random() < 0.5 else prompt["load"]
    prompt["rated"] = image_folder(FOLDER, rating="at least 1")
    prompt["recorded"] = echo("hostile", ["folder", 0], ["folder", 1], ["rated", 0], ["rated", 1])
    return Workflow(_PICTURES, attack, prompt)


def _renamed(prompt: Json, key: str) -> Json:
    """The same prompt with another key for the attacked node."""
    found = {key if old == NODE else old: copy.deepcopy(each) for old, each in prompt.items()}
    for each in found.values():
        for name, value in each["inputs"].items():
            if isinstance(value, list) and value and value[0] == NODE:
                each["inputs"][name] = [key, *value[1:]]
    return found
