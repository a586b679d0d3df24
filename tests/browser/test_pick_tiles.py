"""Pictures to click in Score Images, Best of N and Add to Dataset, on the canvas and in Nodes 2.0."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np
import pytest
from browser_support.page import ComfyPage, OpenPage
from browser_support.pick_tiles import COUNT, KINDS, PickNode, open_graph, pick_nodes
from host_support.server import PACK_FOLDER, Server
from PIL import Image

from ganrm_core.selection.number_picks import picked_numbers

SCORE, BEST, ADD = KINDS
UNDO, REDO = "Control+z", "Control+y"


@pytest.fixture(params=["classic", "vue"])
def picking(request: pytest.FixtureRequest, open_comfy: OpenPage) -> Iterator[ComfyPage]:
    with open_comfy(nodes=request.param) as page:
        if request.param == "vue" and page.older_than(1, 28):
            pytest.skip("page 1.27 has only a first sketch of DOM nodes")
        yield page


@pytest.fixture
def nodes(picking: ComfyPage, request: pytest.FixtureRequest) -> dict[str, PickNode]:
    """The three nodes after a run."""
    nodes = open_graph(picking, _dataset(request))
    picking.run_and_wait()
    for node in nodes.values():
        node.wait_tiles()
    return nodes


def test_nothing_is_there_before_the_first_run(picking: ComfyPage) -> None:
    for node in open_graph(picking, "untouched").values():
        assert not node.has_strip


def test_a_click_picks_and_the_next_run_takes_it(picking: ComfyPage, nodes: dict[str, PickNode]) -> None:
    for kind, node in nodes.items():
        node.show()
        for number in (3, 9, 5, 4, 9):
            node.tile(number).click()
        assert node.text == "3-5", kind
        node.wait_picked(3, 4, 5)
        assert f"3 of {COUNT} picked" in node.status
    graph = picking.graph()
    for sent in graph["output"].values():
        assert not [name for name in sent["inputs"] if name.startswith("pick_tiles")]
        if sent["class_type"] in KINDS:
            assert sent["inputs"]["pick"] == "3-5"
    for stored in graph["workflow"]["nodes"]:
        if stored["type"] in KINDS:
            assert stored["widgets_values"][-1] == "3-5", "the pictures are not stored"
    picking.run_and_wait()
    outputs = {
        node.kind: picking.raw.evaluate("id => app.nodeOutputs[id]", node.id) for node in nodes.values()
    }
    assert outputs[BEST]["indices"] == [2, 3, 4]
    assert outputs[ADD]["added"] == [3]
    for node in nodes.values():
        node.wait_picked(3, 4, 5)


def test_tiles_show_number_score_and_picture(
    picking: ComfyPage, nodes: dict[str, PickNode], page_server: Server
) -> None:
    node = nodes[BEST]
    node.show()
    assert node.tile(2).inner_text().split() == ["2", "0.90"]
    assert node.tile(2).get_attribute("aria-label") == "Picture 2, score 0.90"
    output = picking.raw.evaluate("id => app.nodeOutputs[id]", node.id)
    with urlopen(
        f"{page_server.url.rstrip('/')}/view?{urlencode(output['images'][0])}", timeout=10
    ) as answer:
        sheet = Image.open(io.BytesIO(answer.read())).convert("RGB")
    for tile in output["tiles"][:6]:
        left, top, width, height = tile["box"]
        shown = Image.open(io.BytesIO(node.tile(tile["number"]).locator("div div").first.screenshot()))
        shown = shown.convert("RGB")
        assert abs(shown.width / shown.height - width / height) < 0.1
        wanted = sheet.crop((left, top, left + width, top + height)).resize(shown.size)
        inner = np.s_[2:-2, 2:-2]
        difference = np.asarray(shown, dtype=float)[inner] - np.asarray(wanted, dtype=float)[inner]
        assert np.abs(difference).mean() < 6, tile


def test_typing_frames_the_pictures(nodes: dict[str, PickNode]) -> None:
    node = nodes[ADD]
    for text, picked in (("2-4, 8", (2, 3, 4, 8)), ("", ()), ("all", tuple(range(1, COUNT + 1)))):
        node.text = text
        node.wait_picked(*picked)
    node.text = "1 77 owl"
    node.wait_picked(1)
    assert node.status == "no such picture: 77 owl"
    node.show()
    node.tile(3).click()
    assert node.text == "1 3 77 owl", "what cannot be read is not thrown away"


def test_keys(picking: ComfyPage, nodes: dict[str, PickNode]) -> None:
    for node in nodes.values():
        node.show()
        keys = picking.raw.keyboard
        assert node.strip.get_by_role("listbox").get_attribute("aria-multiselectable") == "true"
        assert node.strip.locator("[tabindex='0']").count() == 1, "Tab stops once"
        node.tile(1).focus()
        for key in ("ArrowRight", "+", "ArrowRight", " ", "End", "Enter", "Home", "ArrowLeft", "+", "-"):
            keys.press(key)
        assert node.text == f"2 3 {COUNT}"
        keys.press("ArrowDown")
        below = int(picking.raw.evaluate("document.activeElement.dataset.number"))
        assert below > 2
        assert picking.raw.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        keys.press("ArrowUp")
        keys.press("ArrowRight")
        keys.press("-")
        assert node.text == f"3 {COUNT}"
        assert node.strip.count() == 1, "no key reached the page"


def test_saved_and_opened_again(
    picking: ComfyPage, nodes: dict[str, PickNode], open_comfy: OpenPage, tmp_path: Path
) -> None:
    nodes[BEST].show()
    nodes[BEST].tile(4).click()
    nodes[ADD].text = "1 2"
    path = tmp_path / "picks.json"
    workflow = picking.graph()["workflow"]
    path.write_text(json.dumps(workflow), encoding="utf-8")
    vue = picking.raw.evaluate("__harness.vueNodes()")
    _reopened(picking, path)
    with open_comfy(nodes="vue" if vue else "classic") as reloaded:
        _reopened(reloaded, path)
    # Without the run, there is nothing to show.
    path.write_text(json.dumps({**workflow, "id": "0b0e7a1c-5a76-4f2e-9d0e-2f7f5c0c7a11"}), encoding="utf-8")
    picking.drop_file(path)
    opened = pick_nodes(picking)
    picking.raw.wait_for_timeout(700)
    assert not opened[SCORE].has_strip
    assert opened[BEST].status == "Run once to see the pictures here"


def _reopened(page: ComfyPage, path: Path) -> None:
    page.drop_file(path)
    opened = pick_nodes(page)
    for node, text, picked in ((SCORE, "", ()), (BEST, "4", (4,)), (ADD, "1 2", (1, 2))):
        opened[node].wait_tiles()
        assert opened[node].text == text
        opened[node].wait_picked(*picked)


def test_copied(picking: ComfyPage, nodes: dict[str, PickNode]) -> None:
    nodes[ADD].text = "2"
    picking.raw.evaluate(_COPY, nodes[ADD].id)
    (copy,) = [
        PickNode(picking, ADD, node_id)
        for node_id in picking.raw.evaluate("app.graph._nodes.map((n) => String(n.id))")
        if node_id not in {node.id for node in nodes.values()}
        and picking.raw.evaluate("id => __harness.node(id).type", node_id) == ADD
    ]
    assert copy.text == "2"
    assert copy.status == "Run once to see the pictures here"
    copy.text = "5"
    nodes[ADD].wait_picked(2)
    assert nodes[ADD].text == "2"


def test_undone(picking: ComfyPage, nodes: dict[str, PickNode]) -> None:
    kept = nodes[BEST]
    kept.show()
    kept.tile(2).click()
    kept.tile(6).click()
    kept.tile(6).focus()
    for keys, text, picked in ((UNDO, "2", (2,)), (UNDO, "", ()), (REDO, "2", (2,))):
        picking.raw.keyboard.press(keys)
        picking.raw.wait_for_timeout(500)
        again = pick_nodes(picking)[BEST]
        again.wait_tiles()
        assert again.text == text
        again.wait_picked(*picked)


def test_in_a_subgraph(picking: ComfyPage, nodes: dict[str, PickNode]) -> None:
    picking.raw.evaluate(_INTO_A_SUBGRAPH, [nodes[BEST].id, nodes[ADD].id])
    picking.run_and_wait()
    picking.raw.evaluate(_ENTER)
    picking.raw.wait_for_timeout(500)
    inside = pick_nodes(picking)
    assert set(inside) == {BEST, ADD}
    for node in inside.values():
        node.wait_tiles()
        node.show()
        node.tile(7).click()
        node.wait_picked(7)
    sent = {node["class_type"]: node["inputs"].get("pick") for node in picking.graph()["output"].values()}
    assert (sent[BEST], sent[ADD]) == ("7", "7")


def test_a_text_from_outside_is_not_written_over(picking: ComfyPage, nodes: dict[str, PickNode]) -> None:
    picking.raw.evaluate(_LINK_PICK, nodes[ADD].id)
    picking.raw.wait_for_timeout(500)
    nodes[ADD].show()
    nodes[ADD].tile(2).click(force=True)  # it says that it is disabled
    assert nodes[ADD].status == "pick comes from outside this node"
    assert nodes[ADD].text == ""


def test_the_node_stays_small(nodes: dict[str, PickNode]) -> None:
    """Three rows and a third at most; more pictures scroll."""
    for node in nodes.values():
        node.show()
        box = node.strip.get_by_role("listbox").evaluate("(list) => [list.clientHeight, list.scrollHeight]")
        assert 0 < box[0] <= 272


def test_in_chinese(open_comfy: OpenPage, request: pytest.FixtureRequest) -> None:
    with open_comfy(locale="zh") as page:
        nodes = open_graph(page, _dataset(request))
        page.run_and_wait()
        node = nodes[BEST]
        node.wait_tiles()
        assert node.status == "点击图像即可挑选"
        assert node.tile(3).get_attribute("aria-label") == "图像 3，分数 0.85"
        node.text = "2"
        node.wait_picked(2)
        assert node.status == f"已选 1 / {COUNT}"


@pytest.mark.parametrize("missing", ["pick_tiles.js", "picking/strip.js"])
def test_without_the_script_numbers_are_typed_as_before(
    open_comfy: OpenPage, missing: str, request: pytest.FixtureRequest
) -> None:
    with open_comfy() as page:
        page.raw.context.route(f"**/{missing}", lambda route: route.abort())
        page.raw.reload(wait_until="networkidle")  # it first opens what was open before
        page.raw.wait_for_function("window.app?.vueAppReady && app.graph")
        page.raw.evaluate("__harness.listen()")
        nodes = open_graph(page, _dataset(request))
        page.set_widget(nodes[ADD].id, "pick", "1 3")
        page.run_and_wait()
        assert page.raw.evaluate("id => app.nodeOutputs[id].added", nodes[ADD].id) == [2]
        assert not any(node.has_strip for node in nodes.values())
        page.console.clear()  # the page notes there that a script is missing


def test_the_text_is_read_as_the_node_reads_it(page: ComfyPage) -> None:
    texts = [
        "",
        " ",
        "3",
        "1 4 7-9",
        "9,1, 4",
        "1, 2;3\n4",
        "3-1",
        "1 – 3",
        "1、3，5",
        "１　３",
        "02",
        " All ",
        "1~2；4",
    ]
    read = page.raw.evaluate(_READ, [PACK_FOLDER, texts])
    assert [[number - 1 for number in numbers] for numbers, _ in read] == [
        picked_numbers(text, 9) for text in texts
    ]
    assert [other for _, other in read] == [[]] * len(texts)
    bad = ["7-", "-7", "1-2-3", "one", "1.5", "#1", "²", "0", "10", "8-10", "1-999999999", "9" * 5000]
    assert page.raw.evaluate(_READ, [PACK_FOLDER, bad]) == [[[], [text]] for text in bad]


def test_written_text_is_short_and_read_back(page: ComfyPage) -> None:
    sets = {"": [], "1": [1], "1 2": [2, 1], "1-3": [3, 1, 2], "1 3-5 7 8": [1, 3, 4, 5, 7, 8]}
    assert page.raw.evaluate(_WRITTEN, [PACK_FOLDER, list(sets.values())]) == list(sets)


def _dataset(request: pytest.FixtureRequest) -> str:
    """A dataset of the test's own."""
    return "".join(letter if letter.isalnum() else "_" for letter in request.node.name)[-60:]


_READ = """async ([pack, texts]) => {
  const { readPicks } = await import(`/extensions/${pack}/picking/numbers.js`);
  return texts.map((text) => {
    const { numbers, other } = readPicks(text, 9);
    return [[...numbers].sort((a, b) => a - b), other];
  });
}"""

_WRITTEN = """async ([pack, sets]) => {
  const { writePicks } = await import(`/extensions/${pack}/picking/numbers.js`);
  return sets.map((numbers) => writePicks({ numbers: new Set(numbers), other: [] }));
}"""

_COPY = """(id) => {
  app.canvas.selectItems?.([__harness.node(id)]) ?? app.canvas.selectNodes([__harness.node(id)]);
  app.canvas.copyToClipboard();
  app.canvas.pasteFromClipboard();
}"""

_INTO_A_SUBGRAPH = """(ids) => {
  const graph = app.canvas.graph;
  graph.convertToSubgraph(new Set(ids.map((id) => graph._nodes.find((n) => String(n.id) === id))));
}"""

_ENTER = """() => {
  const outer = app.graph._nodes.find((n) => n.subgraph);
  app.canvas.openSubgraph(outer.subgraph, outer);
}"""

_LINK_PICK = """(id) => {
  const text = LiteGraph.createNode("PrimitiveString");
  app.graph.add(text);
  text.pos = [0, 700];
  const node = __harness.node(id);
  text.connect(0, node, node.inputs.findIndex((input) => input.name === "pick"));
}"""
