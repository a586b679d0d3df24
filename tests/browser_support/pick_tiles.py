"""The pictures to click in nodes with `pick`: a graph with all three of these nodes, and what each of them shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from host_support.prompts import Json, node

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from .page import ComfyPage

KINDS = ("GANRMScore", "GANRMBestOfN", "GANRMAddToDataset")
COUNT = 10
_SIZES = ", ".join(["96x96"] * (COUNT - 2) + ["160x64", "64x160"])


def graph(dataset: str) -> Json:
    """Ten pictures into Score Images, Best of N and Add to Dataset, in API format."""
    scores = ", ".join(f"{0.95 - 0.05 * i:.2f}" for i in range(COUNT))
    images = {"images": ["1", 0]}
    return {
        "1": node("ProbeImages", sizes=_SIZES, form="list", seed=5, frames=1),
        "2": node("ProbeScores", scores=scores),
        "3": node("ProbeReward"),
        "4": node("PrimitiveString", value="a red fox"),
        "5": node(
            KINDS[0],
            **images,
            reward=["3", 0],
            prompts=["4", 0],
            group_size=0,
            candidate="each image",
            pick="",
        ),
        "6": node(
            KINDS[1],
            **images,
            **{"given_scores": ["2", 0], "keep": 2, "group_size": 0, "min_score": 0.0, "min_keep": 0},
            **{"order": "ranked", "candidate": "each image", "ties": "by score", "pick": ""},
        ),
        "7": node(KINDS[2], **images, dataset_name=dataset, pick=""),
    }


def open_graph(page: ComfyPage, dataset: str) -> dict[str, PickNode]:
    """Open the graph, its nodes side by side. Returns those with `pick` by type."""
    before = page.raw.evaluate("__harness.opened()")
    page.raw.evaluate("graph => app.loadApiJson(graph, 'picks')", graph(dataset))
    page.wait_opened(before)
    # As every saved workflow has one; page 1.49 takes another whenever it opens a graph without.
    page.raw.evaluate("() => { app.graph.id = crypto.randomUUID(); }")
    page.raw.evaluate(_SIDE_BY_SIDE)
    return pick_nodes(page)


def pick_nodes(page: ComfyPage) -> dict[str, PickNode]:
    """The nodes with `pick` of the graph on the screen, by type."""
    found = page.raw.evaluate(_FOUND, list(KINDS))
    return {kind: PickNode(page, kind, node_id) for kind, node_id in found}


@dataclass
class PickNode:
    """A node with `pick` on the screen, and its strip of pictures."""

    page: ComfyPage
    kind: str
    id: Any

    @property
    def text(self) -> str:
        """The text of `pick`."""
        return cast(str, self.page.raw.evaluate(f"({_SHOWN_NODE})({self._id}).pick.value"))

    @text.setter
    def text(self, value: str) -> None:
        """As undo and scripts do: without telling anybody."""
        self.page.raw.evaluate(f"value => {{ ({_SHOWN_NODE})({self._id}).pick.value = value }}", value)

    @property
    def height(self) -> float:
        return cast(float, self.page.raw.evaluate(f"({_SHOWN_NODE})({self._id}).node.size[1]"))

    @property
    def has_strip(self) -> bool:
        return bool(self.page.raw.evaluate(f"Boolean(({_SHOWN_NODE})({self._id}).strip)"))

    @property
    def strip(self) -> Locator:
        """The DOM widget's element."""
        self.page.raw.wait_for_function(f"Boolean(({_SHOWN_NODE})({self._id}).strip)")
        mark = f"picks-{self.id}"
        self.page.raw.evaluate(
            f"mark => {{ ({_SHOWN_NODE})({self._id}).strip.element.dataset.testMark = mark }}", mark
        )
        return self.page.raw.locator(f"[data-test-mark='{mark}']")

    @property
    def status(self) -> str:
        return self.strip.get_by_role("status", include_hidden=True).text_content() or ""

    def show(self) -> None:
        """Bring the node into the window at its own size."""
        self.page.raw.evaluate(
            f"async () => {{ const n = ({_SHOWN_NODE})({self._id}).node; await __harness.show("
            "{ x: n.pos[0], y: n.pos[1] - 30, width: n.size[0], height: n.size[1] + 30 },"
            " { x: 420, y: 120, width: 1100, height: 840 }, 1) }"
        )
        self.page.raw.wait_for_timeout(200)  # DOM widgets are placed over the canvas a moment later

    def tile(self, number: int) -> Locator:
        return self.strip.locator(f"[data-number='{number}']")

    def wait_tiles(self, count: int = COUNT) -> None:
        # The classic page hides DOM widgets of nodes outside the window.
        options = self.strip.get_by_role("option", include_hidden=True)
        options.nth(count - 1).wait_for(state="attached")

    def wait_picked(self, *numbers: int) -> None:
        """Until exactly these are framed."""
        self.page.raw.wait_for_function(
            "([mark, wanted]) => [...document.querySelectorAll(`[data-test-mark='${mark}'] [aria-selected=true]`)]"
            ".map((option) => option.dataset.number).join() === wanted",
            arg=[f"picks-{self.id}" if self.strip else "", ",".join(map(str, numbers))],
            timeout=5000,
        )

    @property
    def _id(self) -> str:
        return f"'{self.id}'"


# Also of a node within an open subgraph.
_SHOWN_NODE = """(id) => {
  const node = app.canvas.graph._nodes.find((n) => String(n.id) === id);
  const found = (name) => node.widgets.find((widget) => name.test(widget.name));
  return { node, pick: found(/^pick$/), strip: found(/^pick_tiles/) };
}"""

_FOUND = """(kinds) => app.canvas.graph._nodes.filter((n) => kinds.includes(n.type)).map((n) => [n.type, String(n.id)])"""

_SIDE_BY_SIDE = """() => {
  app.graph._nodes.forEach((node, i) => { node.pos = [480 * i, 100]; });
  app.canvas.setDirty(true, true);
}"""
