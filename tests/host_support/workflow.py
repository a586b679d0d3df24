"""Workflow files as the page saves them (UI format) made into prompts for the server (API format)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from host_support.node_schema import Json, Node, fits, node_of

NOTES = {"Note", "MarkdownNote"}
REROUTE, PRIMITIVE = "Reroute", "PrimitiveNode"
PAGE_ONLY = NOTES | {REROUTE, PRIMITIVE}
_MUTED, _BYPASSED = 2, 4


@dataclass(frozen=True)
class Link:
    """One line of the graph: output slot `source_slot` of node `source` to input slot `target_slot` of `target`."""

    id: int
    source: str
    source_slot: int
    target: str
    target_slot: int
    kind: str


def is_ui_format(workflow: Json) -> bool:
    return isinstance(workflow.get("nodes"), list)


def links_of(workflow: Json) -> dict[int, Link]:
    """id → link, from either way of writing them: lists, or objects in later versions."""
    found = {}
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    for record in workflow.get("links", []):
        values = [record[key] for key in keys] if isinstance(record, dict) else record
        number, source, source_slot, target, target_slot, kind = values[:6]
        found[number] = Link(number, str(source), source_slot, str(target), target_slot, str(kind))
    return found


def ui_to_api(workflow: Json, object_info: Json) -> Json:
    """The prompt the page would queue for a UI graph.

    Notes, muted nodes and reroutes vanish, bypassed nodes pass their inputs on, primitive nodes leave their value;
    the page's own widgets (control after generate, upload button) are skipped. Widgets missing at the end of
    `widgets_values`, as in files older than them, get their default. Raises ValueError for a node class unknown to
    the server (subgraphs and group nodes included).
    """
    graph = _Graph(workflow, object_info)
    prompt: Json = {}
    for key, node in graph.nodes.items():
        if node["type"] in PAGE_ONLY or node.get("mode", 0) in (_MUTED, _BYPASSED):
            continue
        schema = node_of(node["type"], object_info)
        if schema is None:
            raise ValueError(f"node {key}: the server has no node {node['type']!r}")
        inputs = {**widget_inputs(node, schema), **graph.linked_inputs(node)}
        order = [one.name for one in schema.inputs if one.name in inputs]
        rest = [name for name in inputs if name not in order]
        title = node.get("title") or object_info[node["type"]].get("display_name") or node["type"]
        prompt[key] = {
            "class_type": node["type"],
            "inputs": {name: inputs[name] for name in order + rest},
            "_meta": {"title": title},
        }
    return prompt


def widget_inputs(node: Json, schema: Node) -> Json:
    """Input name → value of a UI node's widgets."""
    values = node.get("widgets_values") or []
    if isinstance(values, dict):
        names = {one.name for one in schema.inputs if one.is_widget}
        return {name: _wrapped(value) for name, value in values.items() if name in names}
    given = list(values)
    found = {}
    for place, one in enumerate(schema.widgets):
        if one is None:
            continue
        value = given[place] if place < len(given) else one.default
        if value is not None:
            found[one.name] = _wrapped(value)
    return found


def swap_values(prompt: Json, names: Mapping[str, Any]) -> Json:
    """A copy of an API prompt with every input value that is a key of `names` replaced: file names, for one."""
    return {
        key: {
            **node,
            "inputs": {
                name: names.get(value, value) if isinstance(value, str) else value
                for name, value in node["inputs"].items()
            },
        }
        for key, node in prompt.items()
    }


class _Graph:
    """A UI graph whose links can be followed to the node that really makes the value."""

    def __init__(self, workflow: Json, object_info: Json) -> None:
        self.nodes: dict[str, Json] = {str(node["id"]): node for node in workflow["nodes"]}
        self._links = links_of(workflow)
        self._object_info = object_info

    def linked_inputs(self, node: Json) -> Json:
        """Input name → [node, slot], or a primitive node's value; nothing for what leads nowhere."""
        found: Json = {}
        for slot in node.get("inputs") or []:
            source = self._source(slot.get("link"))
            if source is not None:
                found[slot["name"]] = source
        return found

    def _source(self, link_id: int | None) -> Any:
        link = self._links.get(link_id) if link_id is not None else None
        node = self.nodes.get(link.source) if link is not None else None
        if link is None or node is None or node.get("mode", 0) == _MUTED:
            return None
        if node["type"] == PRIMITIVE:
            return _wrapped(node["widgets_values"][0])
        if node["type"] == REROUTE:
            return self._source(node["inputs"][0].get("link"))
        if node.get("mode", 0) == _BYPASSED:
            return self._through(node, link)
        return [link.source, link.source_slot]

    def _through(self, node: Json, link: Link) -> Any:
        # The page takes the input of the same place where its type fits, else the first that does.
        inputs = node.get("inputs") or []
        kind = node["outputs"][link.source_slot]["type"]
        same = inputs[link.source_slot : link.source_slot + 1]
        for slot in [*same, *inputs]:
            if fits(str(slot["type"]), str(kind)):
                return self._source(slot.get("link"))
        return None


def linked(prompt: Json) -> Iterator[tuple[str, str, str, int]]:
    """(node, input, source node, source slot) of every link of an API prompt."""
    for key, node in prompt.items():
        for name, value in node.get("inputs", {}).items():
            if is_link(value):
                yield key, name, str(value[0]), value[1]


def is_link(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
    )


def _wrapped(value: Any) -> Any:
    # A bare list would read as a link.
    return {"__value__": value} if isinstance(value, list) else value
