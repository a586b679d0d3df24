"""Names of inputs on the page: display names, never ids; choices in Chinese, stored in English."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from browser_support.page import ComfyPage, OpenPage
from host_support.server import Server

_DRAWN = """async (type) => {
  const node = LiteGraph.createNode(type);
  app.graph.clear();
  app.graph.add(node);
  node.size = [700, node.computeSize()[1]];
  __harness.show(__harness.nodeBounds(node.id), {x: 500, y: 150, width: 900, height: 800}, 1);
  const plain = CanvasRenderingContext2D.prototype.fillText, drawn = [];
  CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
    drawn.push(String(text));
    return plain.call(this, text, ...rest);
  };
  try { app.canvas.setDirty(true, true); app.canvas.draw(true, true); await __harness.frames(3); }
  finally { CanvasRenderingContext2D.prototype.fillText = plain; }
  return drawn;
}"""
_SOCKETS = """(type) => app.graph._nodes[0].inputs.map((i) => i.label || i.localized_name || i.name)"""
_IN_NODE = "() => document.querySelector('.lg-node')?.innerText ?? ''"


@pytest.fixture(scope="module")
def ours(page_server: Server) -> dict[str, dict[str, str]]:
    """{node id: {input id: display name}} of every input that has a display name."""
    with urllib.request.urlopen(f"{page_server.url.rstrip('/')}/object_info", timeout=30) as answer:
        known = json.load(answer)
    return {name: _display_names(node) for name, node in known.items() if name.startswith("GANRM")}


def _display_names(node: dict[str, Any]) -> dict[str, str]:
    sockets = {**node["input"].get("required", {}), **node["input"].get("optional", {})}
    return {
        name: spec[1]["display_name"]
        for name, spec in sockets.items()
        if len(spec) > 1 and "display_name" in spec[1]
    }


def test_display_names_are_drawn_and_no_code_names(page: ComfyPage, ours: dict[str, dict[str, str]]) -> None:
    assert ours["GANRMBestOfN"]["min_score"] == "minimum score"
    for node, names in ours.items():
        drawn = page.raw.evaluate(_DRAWN, node)
        assert [text for text in drawn if "_" in text and text in names] == [], node
        assert set(names.values()) <= set(drawn) | set(page.raw.evaluate(_SOCKETS, node)), node


def test_display_names_stand_in_nodes_2(open_comfy: OpenPage, ours: dict[str, dict[str, str]]) -> None:
    with open_comfy(nodes="vue") as page:
        if page.older_than(1, 30):
            pytest.skip("this page's early Nodes 2.0 shows the ids of every node's inputs, core's too")
        for node, names in ours.items():
            page.raw.evaluate(_DRAWN, node)
            page.raw.wait_for_function("() => document.querySelector('.lg-node')?.innerText")
            text = page.raw.evaluate(_IN_NODE)
            assert [name for name in names if "_" in name and name in text] == [], node


@pytest.mark.parametrize("nodes", ["classic", "vue"])
def test_choices_are_shown_in_chinese_and_stored_in_english(open_comfy: OpenPage, nodes: str) -> None:
    with open_comfy(nodes=nodes, locale="zh") as page:
        if page.older_than(1, 49):
            pytest.skip("this page has no labels for choices")
        drawn = page.raw.evaluate(_DRAWN, "GANRMTrain")
        if nodes == "vue":
            page.raw.wait_for_function("() => document.querySelector('.lg-node')?.innerText")
            drawn = page.raw.evaluate(_IN_NODE)
        assert "default（默认）" in drawn
        stored = "app.graph._nodes[0].widgets.find((widget) => widget.name === 'preset').value"
        assert page.raw.evaluate(stored) == "default"
