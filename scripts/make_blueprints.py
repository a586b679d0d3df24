"""Generator of the shipped blueprints: subgraphs that an artist drops into any graph.

    python scripts/make_blueprints.py   # subgraphs/*.json

Newer hosts list `<pack>/subgraphs/*.json`, and their page offers them by file name. The nodes inside are those of the shipped
workflows, as the page wrote them (see make_workflows.py): needs no ComfyUI, and is run again whenever these have changed.
"""

from __future__ import annotations

import copy
import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "subgraphs"
_WORKFLOWS = ROOT / "workflows"
# A fixed namespace makes the ids, random in the page, the same for the same name.
_IDS = uuid.UUID("0b1f6a5e-94a6-4b57-8f0c-3a0f9e6d2c41")
_INPUT, _OUTPUT = -10, -20
"""Ids of a subgraph's two ends, as the page has them."""
_PREVIEW = "$$canvas-image-preview"
"""What the page calls the picture on *Preview Image*, the one kind whose picture a subgraph's node shows from the start."""

Json = dict[str, Any]
Slot = tuple[int, int]
"""A node's number and the number of one of its slots."""


@dataclass
class Blueprint:
    """A subgraph in the making. `preview`: the number of the *Preview Image* whose picture its own node shows."""

    name: str
    description: str
    size: tuple[int, int]
    preview: int = 0
    nodes: list[Json] = field(default_factory=list)
    links: list[Json] = field(default_factory=list)
    inputs: list[Json] = field(default_factory=list)
    outputs: list[Json] = field(default_factory=list)

    def add(
        self, kind: str, workflow: str, *values: Any, title: str = "", left: int = 0, top: int = 0
    ) -> int:
        """A node as `workflow` has it, unconnected; `values` replace its first widgets' values. Returns its number."""
        node = copy.deepcopy(_shipped(kind, workflow))
        node.update(id=len(self.nodes) + 1, pos=[left, top], order=len(self.nodes))
        if values:
            node["widgets_values"][: len(values)] = values
        node.pop("title", None)
        if title:
            node["title"] = title
        for slot in node["inputs"]:
            slot["link"] = None
        for slot in node["outputs"]:
            slot["links"] = []
        self.nodes.append(node)
        return len(self.nodes)

    def connect(self, source: Slot, target: Slot) -> None:
        out = self._node(source[0])["outputs"][source[1]]
        number = self._link(source, target, out["type"])
        out["links"].append(number)
        self._node(target[0])["inputs"][target[1]]["link"] = number

    def open_input(self, *targets: Slot) -> None:
        """An input of the whole, named and typed as that of the first node it feeds."""
        first = self._node(targets[0][0])["inputs"][targets[0][1]]
        place = len(self.inputs)
        links = []
        for target in targets:
            links.append(self._link((_INPUT, place), target, first["type"]))
            self._node(target[0])["inputs"][target[1]]["link"] = links[-1]
        self.inputs.append(self._end(first, "in", links))

    def open_widget(self, number: int, widget: str, kind: str, name: str = "") -> None:
        """A widget of node `number` set from outside, there called `name` (its own name unless told).

        Newer pages know such a widget by its name alone and drop the second of one name: names have to differ.
        """
        slots = self._node(number)["inputs"]
        slots.append({"name": widget, "type": kind, "widget": {"name": widget}, "link": None})
        link = self._link((_INPUT, len(self.inputs)), (number, len(slots) - 1), kind)
        slots[-1]["link"] = link
        end = {"name": name or widget, "type": kind}
        self.inputs.append(self._end(end, "in", [link]))

    def open_output(self, *source_slots: Slot) -> None:
        for source in source_slots:
            out = self._node(source[0])["outputs"][source[1]]
            number = self._link(source, (_OUTPUT, len(self.outputs)), out["type"])
            out["links"].append(number)
            self.outputs.append(self._end(out, "out", [number]))

    def as_json(self) -> Json:
        """The file's content, in the page's format 0.4."""
        subgraph = self._id("subgraph")
        node = {
            "id": 1, "type": subgraph, "pos": [0, 0], "size": list(self.size), "flags": {}, "order": 0, "mode": 0,
            "inputs": [self._input_outside(place) for place in range(len(self.inputs))],
            "outputs": [_outside(each, links=[]) for each in self.outputs],
            "title": self.name,
            "properties": {"proxyWidgets": [[str(self.preview), _PREVIEW]]},
            "widgets_values": [],
        }  # fmt: skip
        return {
            "id": self._id("file"), "revision": 0, "last_node_id": 1, "last_link_id": 0, "nodes": [node], "links": [],
            "version": 0.4, "definitions": {"subgraphs": [self._definition(subgraph)]}, "extra": {},
        }  # fmt: skip

    def _definition(self, identity: str) -> Json:
        right = max(node["pos"][0] + node["size"][0] for node in self.nodes)
        state = {
            "lastGroupId": 0,
            "lastNodeId": len(self.nodes),
            "lastLinkId": len(self.links),
            "lastRerouteId": 0,
        }
        return {
            "id": identity, "version": 1, "state": state, "revision": 0, "config": {}, "name": self.name,
            "inputNode": {"id": _INPUT, "bounding": [-240, 0, 120, 40 + 20 * len(self.inputs)]},
            "outputNode": {"id": _OUTPUT, "bounding": [right + 120, 0, 120, 40 + 20 * len(self.outputs)]},
            "inputs": self.inputs, "outputs": self.outputs, "widgets": [], "nodes": self.nodes, "groups": [],
            "links": self.links, "extra": {"workflowRendererVersion": "LG"},
            "category": "GAN-RM", "description": self.description,
        }  # fmt: skip

    def _link(self, source: Slot, target: Slot, kind: str) -> int:
        number = len(self.links) + 1
        self.links.append(
            {
                "id": number,
                "origin_id": source[0],
                "origin_slot": source[1],
                "target_id": target[0],
                "target_slot": target[1],
                "type": kind,
            }
        )
        return number

    def _input_outside(self, place: int) -> Json:
        """The slot of the subgraph's node for its input `place`, with a widget where what it feeds is one."""
        end = self.inputs[place]
        fed = next(link for link in self.links if link["id"] == end["linkIds"][0])
        widget = "widget" in self._node(fed["target_id"])["inputs"][fed["target_slot"]]
        return _outside(end, **({"widget": {"name": end["name"]}} if widget else {}), link=None)

    def _end(self, slot: Json, side: str, links: list[int]) -> Json:
        optional = {"shape": slot["shape"]} if "shape" in slot else {}
        identity = self._id(f"{side} {slot['name']}")
        return {"id": identity, "name": slot["name"], "type": slot["type"], "linkIds": links, **optional}

    def _node(self, number: int) -> Json:
        return self.nodes[number - 1]

    def _id(self, what: str) -> str:
        return str(uuid.uuid5(_IDS, f"{self.name}: {what}"))


def best_of_n() -> Blueprint:
    made = Blueprint(
        "Best of N (GAN-RM)",
        "Keeps the pictures your taste likes best, from any generator. Latents follow their pictures.",
        (420, 620),
    )
    taste = made.add("GANRMLoadModel", "2 Best 4 of 16", title="Your taste")
    best = made.add("GANRMBestOfN", "2 Best 4 of 16", left=400)
    shown = made.add("PreviewImage", "2 Best 4 of 16", title="Ranked", left=940)
    made.connect((taste, 0), (best, 1))
    made.connect((best, 8), (shown, 0))
    made.open_input((best, 0))
    made.open_input((best, 2))
    made.open_output((best, 0), (best, 1), (best, 3), (best, 6), (best, 7))
    made.open_widget(taste, "model", "COMBO")
    made.open_widget(best, "keep", "INT")
    made.open_widget(best, "group_size", "INT")
    made.open_widget(best, "min_score", "FLOAT")
    made.preview = shown
    return made


def score_and_save() -> Blueprint:
    made = Blueprint(
        "Score and save (GAN-RM)",
        "Scores every picture by your taste and saves it with its score inside the file, from any generator.",
        (420, 620),
    )
    taste = made.add("GANRMLoadModel", "2 Best 4 of 16", title="Your taste")
    score = made.add("GANRMScore", "6 Grow your dataset", left=400)
    save = made.add("GANRMSaveImages", "2 Best 4 of 16", "GAN-RM/scored_%score%", left=880)
    shown = made.add("PreviewImage", "2 Best 4 of 16", title="Ranked", left=1320)
    made.connect((score, 1), (shown, 0))
    made.connect((taste, 0), (score, 1))
    made.connect((score, 0), (save, 1))
    made.connect((taste, 0), (save, 3))
    made.open_input((score, 0), (save, 0))
    made.open_output((score, 0), (score, 1), (score, 2), (save, 0))
    made.open_widget(taste, "model", "COMBO")
    made.open_widget(save, "filename_prefix", "STRING")
    made.open_widget(save, "format", "COMBO")
    made.preview = shown
    return made


def train_my_taste() -> Blueprint:
    made = Blueprint(
        "Train my taste (GAN-RM)",
        "Learns your taste from a folder of pictures you like and one of ordinary ones, and saves it in models/ganrm.",
        (420, 720),
    )
    liked = made.add("GANRMImageFolder", "1 Train your taste", "input/liked", title="Pictures you like")
    ordinary = made.add(
        "GANRMImageFolder", "1 Train your taste", "input/ordinary", title="Ordinary pictures", top=190
    )
    train = made.add("GANRMTrain", "1 Train your taste", left=420)
    save = made.add("GANRMSaveModel", "1 Train your taste", left=980)
    shown = made.add("PreviewImage", "1 Train your taste", title="Report card", left=1460)
    made.connect((train, 2), (shown, 0))
    made.connect((liked, 0), (train, 0))
    made.connect((ordinary, 0), (train, 1))
    made.connect((train, 0), (save, 0))
    made.open_output((train, 0), (train, 2), (train, 3), (save, 0))
    made.open_widget(liked, "folder", "COMBO", "liked_folder")
    made.open_widget(ordinary, "folder", "COMBO", "ordinary_folder")
    made.open_widget(train, "preset", "COMBO")
    made.open_widget(save, "name", "STRING")
    made.preview = shown
    return made


BLUEPRINTS = (best_of_n, score_and_save, train_my_taste)


def as_text(blueprint: Blueprint) -> str:
    return json.dumps(blueprint.as_json(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for make in BLUEPRINTS:
        blueprint = make()
        (FOLDER / f"{blueprint.name}.json").write_text(as_text(blueprint), encoding="utf-8")
        print(blueprint.name)


def _shipped(kind: str, workflow: str) -> Json:
    graph = json.loads((_WORKFLOWS / f"{workflow}.json").read_text(encoding="utf-8"))
    found: Json = next(node for node in graph["nodes"] if node["type"] == kind)
    return found


def _outside(end: Json, **more: Any) -> Json:
    """A slot of the subgraph's node for one of its inputs or outputs."""
    return {key: end[key] for key in ("name", "type", "shape") if key in end} | more


if __name__ == "__main__":
    main()
