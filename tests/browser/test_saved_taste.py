"""A taste saved again, and a graph that cannot work: what the page shows of both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_support.page import ComfyPage, OpenPage, RunRefusedError
from browser_support.panels import error_text
from browser_support.pictures import shown_picture
from host_support.drawn_pictures import fill_folder
from host_support.server import Server

WORKFLOW = Path(__file__).resolve().parents[2] / "workflows" / "1 Train your taste.json"
GOLD = np.array((255, 196, 61))
_NAME = "saved_twice"  # no other test saves under it


@pytest.fixture(scope="module", autouse=True)
def pictures(page_server: Server) -> None:
    for kind in ("liked", "ordinary"):
        fill_folder(page_server.folder("input", kind), kind, 14)


def test_the_name_it_was_saved_under_stands_in_the_node(
    page: ComfyPage, page_server: Server, tmp_path: Path
) -> None:
    cards = []
    for seed in (0, 1):
        nodes = _dropped(page, tmp_path, seed)
        page.run_and_wait(seconds=300)
        cards.append(np.asarray(shown_picture(page, nodes["GANRMSaveModel"]).convert("RGB")).astype(int))
    names = sorted(path.name for path in page_server.folder("models", "ganrm").glob(f"{_NAME}*"))
    assert names == [f"{_NAME} (2).safetensors", f"{_NAME}.safetensors"]
    for card in cards:
        assert (card.min(axis=-1) > 200).mean() > 0.004, "the name in white"
        assert _gold(card).any(), "the AUC in gold"
    # The second line of gold is longer: ", before 0.872".
    first, second = (np.flatnonzero(_gold(card).any(axis=0)) / card.shape[1] for card in cards)
    assert second[-1] - second[0] > 1.3 * (first[-1] - first[0])


def test_what_cannot_work_is_said_at_once_in_words(open_comfy: OpenPage) -> None:
    with open_comfy() as page:
        page.raw.evaluate(_BEST_OF_NOTHING)
        with pytest.raises(RunRefusedError):
            page.run_and_wait(seconds=60)
        assert "Nothing to judge by: connect a reward" in error_text(page)
        page.console.clear()  # the page notes the refusal there, too


def _dropped(page: ComfyPage, folder: Path, seed: int) -> dict[str, Any]:
    graph = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    for node in graph["nodes"]:
        if node["type"] == "GANRMTrain":
            place = node["widgets_values"].index(0)
            node["widgets_values"][place] = seed
        if node["type"] == "GANRMSaveModel":
            node["widgets_values"][0] = _NAME
    path = folder / f"{seed}.json"
    path.write_text(json.dumps(graph), encoding="utf-8")
    page.drop_file(path)
    return {node["type"]: node["id"] for node in graph["nodes"]}


def _gold(card: np.ndarray) -> np.ndarray:
    close: np.ndarray = np.abs(card - GOLD).max(axis=-1) < 60
    return close


_BEST_OF_NOTHING = """() => {
  const best = LiteGraph.createNode('GANRMBestOfN'), image = LiteGraph.createNode('EmptyImage');
  app.graph.add(image);
  app.graph.add(best);
  best.pos = [300, 100];
  image.connect(0, best, 0);
}"""
