"""Nodes of the shipped workflows as this ComfyUI declares them: classes, inputs, choices and ranges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from host_support.client import Client
from host_support.pack_prompts import WORKFLOWS, shipped_models, shipped_prompt
from host_support.prompts import Json
from host_support.server import Server

_FOLDERS_OF_THE_ARTIST = {("GANRMImageFolder", "folder"), ("GANRMVisionLanguageReward", "model")}
"""Inputs whose choices are what lies on the artist's disk."""
_NAMED_IN_NOTE = ("clip_vision", "clip-vit-large-patch14.safetensors")
"""Of workflow 13: published under another file name, so pages cannot offer to fetch it."""


@pytest.fixture
def declared(client: Client, server: Server, taste: str) -> Iterator[Json]:
    """What the server says of its nodes once the files that the workflows name lie where the page puts them."""
    named = [(model["directory"], model["name"]) for model in shipped_models()]
    paths = [server.folder("models", *place) for place in (*named, _NAMED_IN_NOTE)]
    absent = [path for path in paths if not path.exists()]
    for path in absent:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0")  # lists leave out empty files
    yield client.object_info()
    for path in absent:
        path.unlink()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_node_takes_what_the_workflow_gives_it(name: str, declared: Json) -> None:
    faults = []
    for number, node in shipped_prompt(name).items():
        where = f"{node['class_type']} ({number})"
        if node["class_type"] not in declared:
            faults.append(f"{where} is unknown")
            continue
        inputs = declared[node["class_type"]]["input"]
        known = {**inputs.get("required", {}), **inputs.get("optional", {})}
        faults += [f"{where} lacks {key}" for key in {*inputs.get("required", {})} - {*node["inputs"]}]
        faults += [f"{where} has no input {key}" for key in {*node["inputs"]} - {*known}]
        for key, value in node["inputs"].items():
            if key in known and (node["class_type"], key) not in _FOLDERS_OF_THE_ARTIST:
                faults += [f"{where}: {key} {fault}" for fault in _faults(value, *known[key])]
    assert faults == []


def _faults(value: Any, kind: Any, options: Json | None = None) -> Iterator[str]:
    """What is wrong with a widget's value; a link has nothing to check here."""
    options = options or {}
    if isinstance(value, list):
        return
    choices = kind if isinstance(kind, list) else options.get("options")
    if choices is not None and value not in choices:
        yield f"is {value!r}, not one of {choices}"
    if kind in ("INT", "FLOAT") and not options.get("min", value) <= value <= options.get("max", value):
        yield f"is {value}, outside {options['min']} to {options['max']}"
