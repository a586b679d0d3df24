"""What is wrong with a workflow, held against a running server's `object_info`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from host_support.node_schema import Input, Json, Node, fits, node_of
from host_support.workflow import PAGE_ONLY, is_link, is_ui_format, links_of, ui_to_api


def validate(workflow: Json, object_info: Json) -> list[str]:
    """Every problem of a workflow in UI or API format, a sentence each; empty when it is sound.

    Unknown nodes, bad links (nodes or slots that are not there, types that do not fit), missing required inputs,
    widget values that are not legal (choices, range, type), nothing that would be run.
    """
    if not is_ui_format(workflow):
        return list(_prompt_problems(workflow, object_info))
    problems = list(_graph_problems(workflow, object_info))
    known = [node for node in workflow["nodes"] if node["type"] in PAGE_ONLY or node["type"] in object_info]
    prompt = ui_to_api({**workflow, "nodes": known}, object_info)
    return problems + list(_prompt_problems(prompt, object_info))


def _prompt_problems(prompt: Json, object_info: Json) -> Iterator[str]:
    schemas = {key: node_of(node["class_type"], object_info) for key, node in prompt.items()}
    for key, node in prompt.items():
        schema = schemas[key]
        where = f"node {key} {node['class_type']}"
        if schema is None:
            yield f"{where}: the server has no such node"
            continue
        for name, value in node["inputs"].items():
            yield from (f"{where}: {problem}" for problem in _input_problems(schema, name, value, schemas))
        for one in schema.inputs:
            if one.required and one.name not in node["inputs"]:
                yield f"{where}: required input {one.name!r} is missing"
    if not any(schema.is_output for schema in schemas.values() if schema):
        yield "there is no output node: nothing would run"


def _input_problems(schema: Node, name: str, value: Any, schemas: dict[str, Node | None]) -> Iterator[str]:
    one = schema.input(name)
    if one is None:
        yield f"has no input {name!r}"
    elif is_link(value):
        yield from _link_problems(one, str(value[0]), value[1], schemas)
    elif one.widget_kind in _LEGAL:
        plain = value["__value__"] if isinstance(value, dict) and "__value__" in value else value
        problem = _LEGAL[one.widget_kind](one, plain)
        if problem:
            yield f"{name}: {plain!r} {problem}"
    elif one.kind != "*":
        yield f"{name}: a {one.kind} must come through a link, not as {value!r}"


def _link_problems(one: Input, source: str, slot: int, schemas: dict[str, Node | None]) -> Iterator[str]:
    if source not in schemas:
        yield f"{one.name}: is linked to node {source}, which is not there"
        return
    schema = schemas[source]
    if schema is None:
        return  # reported as unknown already
    if not 0 <= slot < len(schema.outputs):
        yield f"{one.name}: {schema.name} ({source}) has no output {slot}"
    elif not fits(schema.outputs[slot], one.kind):
        yield f"{one.name}: wants {one.kind}, output {slot} of {schema.name} ({source}) is {schema.outputs[slot]}"


def _graph_problems(workflow: Json, object_info: Json) -> Iterator[str]:
    nodes = {str(node["id"]): node for node in workflow["nodes"]}
    links = links_of(workflow)
    for link in links.values():
        source, target = nodes.get(link.source), nodes.get(link.target)
        if source is None or target is None:
            yield f"link {link.id}: node {link.target if source else link.source} is not there"
            continue
        if link.source_slot >= len(source.get("outputs") or []):
            yield f"link {link.id}: node {link.source} {source['type']} has no output {link.source_slot}"
        taken = (target.get("inputs") or [])[link.target_slot : link.target_slot + 1]
        if not taken or taken[0].get("link") != link.id:
            yield f"link {link.id}: input {link.target_slot} of node {link.target} {target['type']} does not hold it"
    for key, node in nodes.items():
        for slot in node.get("inputs") or []:
            if slot.get("link") is not None and slot["link"] not in links:
                yield f"node {key} {node['type']}: input {slot['name']!r} holds link {slot['link']}, which is not there"
        if node["type"] not in PAGE_ONLY:
            yield from (
                f"node {key} {node['type']}: {problem}" for problem in _node_problems(node, object_info)
            )


def _node_problems(node: Json, object_info: Json) -> Iterator[str]:
    schema = node_of(node["type"], object_info)
    if schema is None:
        yield "the server has no such node"
        return
    for place, slot in enumerate(node.get("outputs") or []):
        now = schema.outputs[place] if place < len(schema.outputs) else "gone"
        if not fits(str(slot["type"]), now):
            yield f"output {place} is {slot['type']} in the file and {now} on the server"
    values = node.get("widgets_values") or []
    if len(values) > len(schema.widgets) and not isinstance(values, dict):
        yield f"has {len(values)} widget values, the server's node has {len(schema.widgets)} widgets"


def _integer(one: Input, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        return "is no integer"
    return _range(one, value)


def _number(one: Input, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "is no number"
    return _range(one, value)


def _range(one: Input, value: float) -> str:
    low, high = one.options.get("min"), one.options.get("max")
    if low is not None and value < low:
        return f"is below {low}"
    if high is not None and value > high:
        return f"is above {high}"
    return ""


def _string(_: Input, value: Any) -> str:
    return "" if isinstance(value, str) else "is no text"


def _boolean(_: Input, value: Any) -> str:
    return "" if isinstance(value, bool) else "is neither true nor false"


def _choice(one: Input, value: Any) -> str:
    if one.choices is None:
        return ""
    chosen = value if isinstance(value, list) and one.options.get("multiselect") else [value]
    wrong = [each for each in chosen if each not in one.choices]
    return f"is not one of {one.choices[:20]}" if wrong else ""


_LEGAL = {"INT": _integer, "FLOAT": _number, "STRING": _string, "BOOLEAN": _boolean, "COMBO": _choice}
