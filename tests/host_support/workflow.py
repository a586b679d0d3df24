"""Conversion of workflow files as the page saves them (UI format) into prompts for the server (API format)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
_NOTE = "MarkdownNote"


def ui_to_api(workflow: Json, object_info: Json) -> Json:
    """The prompt the page would queue for a graph of plain nodes and notes: nothing muted, no subgraphs, no reroutes.

    Raises KeyError for a node class or link that is not there, AssertionError for widget values that are too many or few.
    """
    links = {number: (source, slot) for number, source, slot, *_ in workflow["links"]}
    prompt: Json = {}
    for node in workflow["nodes"]:
        if node["type"] == _NOTE:
            continue
        assert node["mode"] == 0, f"node {node['id']} is muted or bypassed"
        widgets = list(_widgets(object_info[node["type"]]))
        values = node.get("widgets_values") or []
        assert len(widgets) == len(values), f"{node['type']}: {values} for {widgets}"
        inputs = {name: value for name, value in zip(widgets, values, strict=True) if name}
        for slot in node["inputs"]:
            if slot["link"] is not None:
                source, place = links[slot["link"]]
                inputs[slot["name"]] = [str(source), place]
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def _widgets(schema: Json) -> Iterator[str]:
    """The input each of `widgets_values` belongs to; "" for widgets of the page's own."""
    for part in ("required", "optional"):
        for name in schema["input_order"].get(part, ()):
            kind, *rest = schema["input"][part][name]
            options = rest[0] if rest else {}
            if isinstance(kind, list):
                kind = "COMBO"
            if kind in _WIDGETS and not options.get("forceInput"):
                yield name
                seed = kind == "INT" and name in ("seed", "noise_seed")
                if options.get("control_after_generate", seed):
                    yield ""
