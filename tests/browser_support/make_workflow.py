"""Workflow files from an API-format prompt and a layout, laid out in ComfyUI's real page.

Writes `<name>.json` (UI format) and `api/<name>.json` (API format). The layout:

    {"nodes": {"1": {"title": …, "pos": [x, y], "size": [w, h], "color": "green" or "#232",
                     "collapsed": false, "widgets": {"control_after_generate": "randomize"},
                     "models": [{"name": file, "url": …, "directory": "checkpoints"}]}, …},
     "notes": [{"text": "Markdown", "pos": …, "size": …, "title": …, "color": …}, …],
     "groups": [{"title": …, "nodes": ["1", "2"] or "bounding": [x, y, w, h], "color": "#3f789e", "font_size": 24}, …],
     "view": {"scale": 0.8, "offset": [x, y]},
     "app": {"inputs": [[1, "folder"], …], "outputs": [4, …]},
     "labels": {"1": {"folder": what the page shows instead of the widget's name, …}, …},
     "control_after_generate": "fixed"}

`pos` is the top left corner of a node's body, its title lies 30 above. Every node needs one. Without a `view` pages
fit the whole graph into the artist's window. With an `app`, pages from 1.41 on open the file as one: these widgets,
and these nodes' results. The same input gives the same bytes.
"""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

from .page import ComfyPage

_LAYOUT = Path(__file__).with_name("layout_helpers.js")
_REPOSITORY = Path(__file__).resolve().parents[2]
_PACK = "gan-rm"
_OUR_NODES = "GANRM"
# A fixed namespace makes the graph's id, random in the page, the same for the same name.
_IDS = uuid.UUID("5f0c3b0e-6a53-4c7e-9d0b-0d1f0a7e6c11")

_WIDGET_KIND = "([id, name]) => app.graph.getNodeById(id).widgets.find((each) => each.name === name).type"


class LayoutError(ValueError):
    """The layout does not fit the prompt, or the nodes overlap or are too small; the message lists it all."""


def write_workflow(
    page: ComfyPage, name: str, prompt: dict[str, Any], layout: dict[str, Any], folder: Path
) -> tuple[Path, Path]:
    """Open the prompt in the page, lay it out there, and write both files as the page exports them.

    Every node class has to be known to the page's server. Use the oldest page version that should open the file:
    newer ones read older files, not the other way round.
    """
    known = page.raw.evaluate("Object.keys(LiteGraph.registered_node_types)")
    unknown = sorted({node["class_type"] for node in prompt.values()} - set(known))
    if unknown:
        raise LayoutError(f"{name}: the page knows no node {', '.join(unknown)}; is the pack loaded?")
    page.raw.evaluate("async ([api, name]) => { await app.loadApiJson(api, name) }", [prompt, name])
    problems = page.raw.evaluate(_LAYOUT.read_text(encoding="utf-8").rstrip().rstrip(";"), layout)
    if problems:
        raise LayoutError(f"{name}: " + "; ".join(problems))
    made = page.graph()
    graph = _tidy_graph(made["workflow"], name)
    for node in graph["nodes"]:
        if models := layout["nodes"].get(str(node["id"]), {}).get("models"):
            node["properties"]["models"] = models
        for widget, label in layout.get("labels", {}).get(str(node["id"]), {}).items():
            node["inputs"].append(_labelled_slot(page, node["id"], widget, label))
    view = layout.get("view")
    # The page's own word for it, and the one by which our extension asks for it where the page passes it over.
    graph["extra"] = {"ds": view, "ganrm_first_view": view} if view else {}
    if app := layout.get("app"):
        graph["extra"].update(linearMode=True, linearData=app)
    paths = folder / f"{name}.json", folder / "api" / f"{name}.json"
    for path, content in zip(paths, (graph, _tidy_prompt(made["output"])), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return paths


def _labelled_slot(page: ComfyPage, node: int, widget: str, label: str) -> dict[str, Any]:
    """The slot of a choice or a text, which the page writes only where something is connected, with a label."""
    kind = page.raw.evaluate(_WIDGET_KIND, [node, widget])
    slot = {"name": widget, "type": "COMBO" if kind == "combo" else "STRING", "link": None}
    return {**slot, "label": label, "widget": {"name": widget}}


def pack_version() -> str:
    """The version in pyproject.toml, read without tomllib, which Python 3.10 lacks."""
    text = (_REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version\s*=\s*"([^"]+)"', text, re.MULTILINE)
    if found is None:
        raise ValueError("pyproject.toml states no version")
    return found[1]


def _tidy_graph(graph: dict[str, Any], name: str) -> dict[str, Any]:
    """Strip what differs from run to run; number the links anew; name the pack in our nodes."""
    graph["id"] = str(uuid.uuid5(_IDS, name))
    graph["revision"] = 0
    graph["nodes"].sort(key=lambda node: int(node["id"]))
    for node in graph["nodes"]:
        node["pos"] = [round(value) for value in node["pos"]]
        node["size"] = [round(value) for value in node["size"]]
        if node["type"].startswith(_OUR_NODES):
            # By these the Manager finds the pack for whoever lacks it.
            node["properties"].update(cnr_id=_PACK, ver=pack_version())
    for group in graph.get("groups", []):
        group["bounding"] = [round(value) for value in group["bounding"]]
    _renumber_links(graph)
    return graph


def _renumber_links(graph: dict[str, Any]) -> None:
    """Number links by where they end: the page counts those it made and dropped while it loaded the prompt."""
    # A link is [id, from node, from slot, to node, to slot, type].
    graph["links"].sort(key=lambda link: (int(link[3]), link[4]))
    new = {link[0]: number for number, link in enumerate(graph["links"], start=1)}
    for link in graph["links"]:
        link[0] = new[link[0]]
    for node in graph["nodes"]:
        for slot in node.get("inputs", []):
            if slot.get("link") is not None:
                slot["link"] = new[slot["link"]]
        for slot in node.get("outputs", []):
            if slot.get("links"):
                slot["links"] = sorted(new[link] for link in slot["links"])
    graph["last_link_id"] = len(new)


def _tidy_prompt(prompt: dict[str, Any]) -> dict[str, Any]:
    for node in prompt.values():
        if node["class_type"] == "PreviewAny":
            # The page's own text field, which the server does not know as an input.
            node["inputs"].pop("preview", None)
    return {node_id: prompt[node_id] for node_id in sorted(prompt, key=int)}
