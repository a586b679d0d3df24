"""A reward model saved twice under one name, and a graph that cannot work: what the page shows of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from browser_support.page import ComfyPage, RunRefusedError
from browser_support.panels import error_text
from browser_support.pictures import near, shown_picture
from browser_support.shipped_workflows import GOLD, drop_shipped
from host_support.server import Server

_NAME = "saved_twice"  # no other test saves under it


def test_the_name_it_was_saved_under_stands_in_the_node(
    page: ComfyPage, page_server: Server, tmp_path: Path
) -> None:
    cards = []
    for seed in (0, 1):
        nodes = drop_shipped(page, "1 Train your taste", tmp_path)
        page.set_widget(nodes["GANRMTrain"], "seed", seed)
        page.set_widget(nodes["GANRMSaveModel"], "name", _NAME)
        page.run_and_wait()
        cards.append(shown_picture(page, nodes["GANRMSaveModel"]))
    names = sorted(path.name for path in page_server.folder("models", "ganrm").glob(f"{_NAME}*"))
    assert names == [f"{_NAME} (2).safetensors", f"{_NAME}.safetensors"]
    for card in cards:
        assert near(card, (255, 255, 255), 54).mean() > 0.004, "the name in white"
        assert near(card, GOLD, 59).any(), "the AUC in gold"
    # The second line of gold is longer: ", before 0.872".
    first, second = (np.flatnonzero(near(card, GOLD, 59).any(axis=0)) / card.width for card in cards)
    assert second[-1] - second[0] > 1.3 * (first[-1] - first[0])


def test_what_cannot_work_is_said_at_once_in_words(page: ComfyPage) -> None:
    page.raw.evaluate(_BEST_OF_NOTHING)
    with pytest.raises(RunRefusedError):
        page.run()
    assert "Nothing to judge by: connect a reward" in error_text(page)
    page.console.clear()  # the page notes the refusal there, too


_BEST_OF_NOTHING = """() => {
  const best = LiteGraph.createNode('GANRMBestOfN'), image = LiteGraph.createNode('EmptyImage');
  app.graph.add(image);
  app.graph.add(best);
  best.pos = [300, 100];
  image.connect(0, best, 0);
}"""
