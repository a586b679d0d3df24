"""Shipped workflows, templates and help pages in the real page; results read back from the nodes' pixels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_support.layouts import measured_layout
from browser_support.page import ComfyPage, OpenPage, RunRefusedError
from browser_support.panels import (
    error_text,
    missing_nodes_dialog,
    open_dialogs,
    open_help,
    open_template,
    open_templates,
    skip_tour,
)
from browser_support.pictures import near, node_images, previews_seen, shown_picture, watch_previews
from browser_support.shipped_workflows import APP, GOLD, NAMES, WORKFLOWS, drop_shipped
from host_support.server import PACK_FOLDER, Server
from PIL import Image

HELP = WORKFLOWS.parent / "nodes" / "web" / "docs"
_NOTICES_COME_WITHIN_MS = 1000


@pytest.fixture
def dropped(page: ComfyPage, tmp_path: Path) -> Callable[[str], dict[str, int]]:
    """drop(name): the shipped workflow as it is, but with the tiny generator's file names and sizes."""
    return lambda name: drop_shipped(page, name, tmp_path)


@pytest.mark.parametrize("way", ["dropped", "template"])
@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_opens_without_complaint_as_the_one_that_scripts_get(
    default_page: ComfyPage, name: str, way: str
) -> None:
    page = default_page
    if way == "dropped":
        page.drop_file(WORKFLOWS / f"{name}.json")
    else:
        open_templates(page, PACK_FOLDER)
        open_template(page, name)
    if name == APP and not page.older_than(1, 48):
        skip_tour(page)
    assert missing_nodes_dialog(page) == ""
    assert open_dialogs(page) == ""
    page.raw.wait_for_timeout(_NOTICES_COME_WITHIN_MS)
    made = page.graph()["output"]
    for node in made.values():
        if node["class_type"] == "PreviewAny":
            node["inputs"].pop("preview", None)  # the page's own text field
    twin = json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))
    assert {key: node["inputs"] for key, node in made.items()} == {
        key: node["inputs"] for key, node in twin.items()
    }


def test_training_shows_a_live_plot_and_leaves_its_report_card(page: ComfyPage, dropped: Any) -> None:
    nodes = dropped("1 Train your taste")
    page.set_widget(nodes["GANRMTrain"], "seed", 77)  # a cached result would show no plot
    watch_previews(page, nodes["GANRMTrain"])
    page.run_and_wait()
    seen = previews_seen(page, nodes["GANRMTrain"])
    assert len(seen) >= 2
    assert any(_gold(plot) > 0.001 for plot in seen)  # the bar and the curve
    card = shown_picture(page, nodes["GANRMTrain"])
    # The interval's bar in gold and the figures in white, on a ground darker than the plot's.
    assert _gold(card) > 0.0001
    assert near(card, (255, 255, 255), 24).mean() > 0.003
    assert np.median(card) < 30 < np.median(seen[0])


def test_the_ranked_sheet_is_in_the_node(page: ComfyPage, dropped: Any, page_server: Server) -> None:
    dropped("1 Train your taste")
    page.run_and_wait()
    saved = max(
        page_server.folder("models", "ganrm").glob("my_taste*.safetensors"),
        key=lambda file: file.stat().st_mtime,
    )
    nodes = dropped("2 Best 4 of 16")
    page.run_and_wait()
    assert measured_layout(page).overlaps == [], "nodes grow when they get pictures"
    sheet = shown_picture(page, nodes["GANRMBestOfN"])
    # Four of sixteen tiles are framed in gold, on a dark page.
    assert 0.002 < _gold(sheet) < 0.2
    assert near(sheet, (0, 0, 0), 49).mean() > 0.1
    assert [image.width for image in node_images(page, nodes["GANRMSaveImages"])] == [64] * 4
    files = sorted(page_server.folder("output", "GAN-RM").glob("best_*.png"))
    assert len(files) == 4
    with Image.open(files[0]) as picture:
        noted = json.loads(picture.info["ganrm"])
    assert noted["model"] == saved.stem
    assert noted["seed"] == 42
    assert 0 <= noted["score"] <= 1
    page.new_workflow()
    page.drop_file(files[0])
    assert "GANRMBestOfN" in {node["class_type"] for node in page.graph()["output"].values()}


def test_the_sampler_shows_its_leaders_on_the_way_and_what_it_kept(page: ComfyPage, dropped: Any) -> None:
    dropped("1 Train your taste")
    page.run_and_wait()
    nodes = dropped("8 Best 4 of 16 at half the work")
    watch_previews(page, nodes["GANRMBestOfNSampler"])
    page.run_and_wait()
    seen = previews_seen(page, nodes["GANRMBestOfNSampler"])
    assert len(seen) >= 3
    assert _gold(seen[0]) == 0, "nothing is judged before the first look"
    assert any(_gold(picture) > 0.0005 for picture in seen[:-1])
    assert _gold(shown_picture(page, nodes["GANRMBestOfNSampler"])) > 0.002
    assert [image.width for image in node_images(page, nodes["GANRMSaveImages"])] == [64] * 4


def test_a_generator_is_seen_to_learn_and_is_compared(page: ComfyPage, dropped: Any) -> None:
    dropped("1 Train your taste")
    page.run_and_wait()
    nodes = dropped("10 Teach your generator your taste")
    small = {
        "GANRMMakeGroups": {"steps": 2, "pictures": 3, "count": 9},
        # At a small rate, since the watch may end the training of a generator with random weights.
        "GANRMTrainOnGroups": {
            "steps": 12,
            "batch": 2,
            "micro_batch": 2,
            "rank": 4,
            "learning_rate": 0.00001,
        },
        "GANRMCompareModels": {"steps": 2, "pictures": 2},
    }
    for kind, widgets in small.items():
        for name, value in widgets.items():
            page.set_widget(nodes[kind], name, value)
    watch_previews(page, nodes["GANRMTrainOnGroups"])
    page.run_and_wait(seconds=600)
    assert measured_layout(page).overlaps == [], "nodes grow when they get pictures"
    seen = previews_seen(page, nodes["GANRMTrainOnGroups"])
    assert len(seen) >= 2
    assert any(_gold(picture) > 0.001 for picture in seen)  # the bar and the held-out error
    report = shown_picture(page, nodes["GANRMTrainOnGroups"])
    assert near(report, (255, 255, 255), 80).mean() > 0.0003  # letters and the loss, small in a tall card
    assert _gold(report) > 0.0002  # the held-out error
    assert _gold(shown_picture(page, nodes["GANRMCompareModels"])) > 0.002  # the frames of winners
    assert _gold(shown_picture(page, nodes["GANRMMakeGroups"])) > 0.002


def test_generator_and_taste_are_seen_to_learn_in_turn(page: ComfyPage, dropped: Any) -> None:
    dropped("1 Train your taste")
    page.run_and_wait()
    nodes = dropped("11 Adversarial training")
    small = {
        "GANRMAdversarialTraining": {
            "steps": 2,
            "rounds": 3,
            "groups": 2,
            "pictures": 3,
            "rank": 4,
            "watch_every": 1,
            "watched": 4,
        },
        "GANRMCompareModels": {"steps": 2, "pictures": 2},
    }
    for kind, widgets in small.items():
        for name, value in widgets.items():
            page.set_widget(nodes[kind], name, value)
    watch_previews(page, nodes["GANRMAdversarialTraining"])
    page.run_and_wait(seconds=600)
    assert measured_layout(page).overlaps == [], "nodes grow when they get pictures"
    seen = previews_seen(page, nodes["GANRMAdversarialTraining"])
    assert len(seen) >= 3
    assert any(_gold(picture) > 0.001 for picture in seen)  # the bar
    report = shown_picture(page, nodes["GANRMAdversarialTraining"])
    assert near(report, (255, 255, 255), 90).mean() > 0.0005  # letters and lines, small at this zoom
    assert _gold(report) > 0.0001  # the round that is kept


@pytest.mark.parametrize(
    ("kind", "locale", "heading"),
    [(path.stem, "en", "Outputs") for path in sorted(HELP.glob("*.md"))]
    + [("GANRMTrain", "ru", "Outputs"), ("GANRMTrain", "zh", "输出")],
)
def test_the_help_page_shows_with_its_picture(
    open_comfy: OpenPage, kind: str, locale: str, heading: str
) -> None:
    with open_comfy(locale=locale) as page:
        page.raw.wait_for_timeout(500)
        page.console.clear()
        shown = open_help(page, kind)
        assert heading in shown.text
        assert shown.pictures >= 1
        assert not shown.broken_pictures
        assert page.console.mentioning("/docs/") == [], "it is found at the first request"


def test_what_cannot_work_is_said_at_once_in_words(page: ComfyPage) -> None:
    page.raw.evaluate(_BEST_OF_NOTHING)
    with pytest.raises(RunRefusedError):
        page.run()
    assert "Nothing to judge by: connect a reward" in error_text(page)
    page.console.clear()  # the page notes the refusal there, too


def _gold(picture: Image.Image) -> float:
    return float(near(picture, GOLD, 39).mean())


_BEST_OF_NOTHING = """() => {
  const best = LiteGraph.createNode('GANRMBestOfN'), image = LiteGraph.createNode('EmptyImage');
  app.graph.add(image);
  app.graph.add(best);
  best.pos = [300, 100];
  image.connect(0, best, 0);
}"""
