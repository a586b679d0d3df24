"""Blueprints in the page: dropped into a graph, set from outside, and run."""

from __future__ import annotations

from typing import Any

import pytest
from browser_support.page import ComfyPage
from host_support.server import Server

# Newer pages know a blueprint of a pack by the server's id of it, older ones by its name. They have read them all a
# moment after the page can be used.
_FIND = """async (name) => {
  const listed = Object.entries(await (await fetch("/api/global_subgraphs")).json());
  const store = document.querySelector("#vue-app").__vue_app__.config.globalProperties.$pinia._s.get("subgraph");
  for (const key of [name, ...listed.filter(([, each]) => each.name === name).map(([id]) => id)])
    try { if (store.getBlueprint(`SubgraphBlueprint.${key}`)) return key; } catch { /* not read yet, or not its key */ }
  return null;
}"""
# As the page itself does when a blueprint is chosen in its node library.
_DROP = """(key) => {
  const stores = document.querySelector("#vue-app").__vue_app__.config.globalProperties.$pinia._s;
  const blueprint = stores.get("subgraph").getBlueprint(`SubgraphBlueprint.${key}`);
  const items = { nodes: blueprint.nodes, subgraphs: blueprint.definitions.subgraphs };
  const made = app.canvas._deserializeItems(items, { position: [400, 200] });
  const node = made.nodes.values().next().value;
  return { id: node.id, widgets: node.widgets.map((widget) => [widget.name, widget.value]) };
}"""
_SET = """([id, name, value]) => {
  const widget = app.graph.getNodeById(id).widgets.find((each) => each.name === name);
  widget.value = value;
  widget.callback?.(value);
}"""
_KNOWS_BLUEPRINTS = """() =>
  typeof document.querySelector("#vue-app").__vue_app__.config.globalProperties.$pinia._s.get("subgraph")?.getBlueprint
    === "function" """


def drop(page: ComfyPage, server: Server, name: str) -> Any:
    with server.client() as client:
        listed = client.object_info().get("GLSLShader")
    if not listed or not page.raw.evaluate(_KNOWS_BLUEPRINTS):
        pytest.skip("this ComfyUI, or this page, has no blueprints")
    key = page.raw.wait_for_function(_FIND, arg=name).json_value()
    return page.raw.evaluate(_DROP, key)


def test_train_my_taste_runs_and_the_others_use_its_taste(page: ComfyPage, page_server: Server) -> None:
    trained = drop(page, page_server, "Train my taste (GAN-RM)")
    assert dict(trained["widgets"]) == {
        "liked_folder": "input/liked",
        "ordinary_folder": "input/ordinary",
        "preset": "default",
        "name": "my_taste",
    }
    page.run_and_wait(seconds=600)
    assert list(page_server.folder("models", "ganrm").glob("my_taste*.safetensors"))

    for name in ("Best of N (GAN-RM)", "Score and save (GAN-RM)"):
        dropped = drop(page, page_server, name)
        assert dropped["widgets"][0][0] == "model"
        made = page.graph()["output"]
        kinds = {node["class_type"] for node in made.values()}
        assert {"GANRMTrain", "GANRMLoadModel"} <= kinds


def test_each_of_two_folders_is_set_on_its_own(page: ComfyPage, page_server: Server) -> None:
    trained = drop(page, page_server, "Train my taste (GAN-RM)")
    for name, value in (("liked_folder", "input/a"), ("ordinary_folder", "input/b"), ("name", "mine")):
        page.raw.evaluate(_SET, [trained["id"], name, value])
    made = page.graph()["output"]
    train = next(node for node in made.values() if node["class_type"] == "GANRMTrain")
    folders = [made[train["inputs"][each][0]]["inputs"]["folder"] for each in ("liked", "ordinary")]
    assert folders == ["input/a", "input/b"]
    (save,) = (node for node in made.values() if node["class_type"] == "GANRMSaveModel")
    assert save["inputs"]["name"] == "mine"
