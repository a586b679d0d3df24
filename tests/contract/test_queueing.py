"""What is refused when a graph is queued: everything that widgets and links alone can get wrong."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from contract_support.pack import Folders, Pack
from PIL import Image

LINK = [None]  # what ComfyUI passes for an input that comes over a link, in a node that takes lists


BEST: dict[str, Any] = {
    **{"keep": [1], "group_size": [0], "min_score": [0.0], "min_keep": [0], "order": ["ranked"]},
    **{"candidate": ["each image"], "ties": ["by score"], "reward": (None,)},
}
CUSTOM: dict[str, Any] = {"n": 8, "keep": 1, "pruning": "standard", "custom_pruning": "", "look_with": "vae"}
SAMPLER: dict[str, Any] = {**CUSTOM, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("GANRMBestOfN", {"keep": [1]}, "Nothing to judge by"),
    ("GANRMBestOfN", {**BEST, "given_scores": (None,)}, "Both a reward and scores"),
    ("GANRMBestOfN", {**BEST, "min_keep": [2]}, "between 0 and keep"),
    ("GANRMBestOfN", {**BEST, "keep": [0]}, "at least one candidate"),
    ("GANRMBestOfN", {**BEST, "order": ["upside down"]}, "no order"),
    ("GANRMBestOfN", {**BEST, "ties": ["by chance"]}, "break ties"),
    ("GANRMScore", {"candidate": ["each pixel"]}, "no candidate"),
    ("GANRMScore", {"candidate": ["each image"], "pick": ["foo"]}, '"foo" is no number to pick'),
    ("GANRMBestOfN", {**BEST, "pick": ["1-2-3"]}, "is no number to pick"),
    ("GANRMAddToDataset", {"dataset_name": ["likes"], "pick": ["foo"]}, '"foo" is no number to pick'),
    ("GANRMAddToDataset", {"dataset_name": ["../evil"], "pick": [""]}, "not written to"),
    ("GANRMAddToDataset", {"dataset_name": [""], "pick": [""]}, "Give the dataset a name"),
    ("GANRMBestOfNSampler", {**SAMPLER, "keep": 9}, "keep is 9 of 8"),
    ("GANRMBestOfNSampler", {**SAMPLER, "n": 257}, "n is 257"),
    ("GANRMBestOfNSampler", {**SAMPLER, "denoise": 0.0}, "no steps to sample"),
    ("GANRMBestOfNSampler", {**SAMPLER, "sampler_name": "eular"}, "no 'eular'"),
    ("GANRMBestOfNSampler", {**SAMPLER, "pruning": "wild"}, "no pruning 'wild'"),
    ("GANRMBestOfNSampler", {**SAMPLER, "custom_pruning": "30%"}, "cannot be read"),
    ("GANRMBestOfNSampler", {**SAMPLER, "look_with": "glasses"}, "no decoder"),
    ("GANRMBestOfNSampler", {**SAMPLER, "search": "wild"}, "no search 'wild'"),
    ("GANRMBestOfNSampler", {**SAMPLER, "search": "paths", "custom_pruning": "50%: 1/4"}, "of its own"),
    ("GANRMBestOfNSampler", {**SAMPLER, "path": "5 > 2"}, "cannot be read"),
    ("GANRMBestOfNSampler", {**SAMPLER, "draft": "sketch"}, "no draft 'sketch'"),
    ("GANRMBestOfNSampler", {**SAMPLER, "draft": "fewer steps", "steps": 4}, "at least 6 steps"),
    (
        "GANRMBestOfNSamplerCustom",
        {**CUSTOM, "draft": "step cache", "search": "paths"},
        "from drafts it would",
    ),
    ("GANRMBestOfNSamplerCustom", {**CUSTOM, "custom_pruning": "50%: 1/4, 30%: 1/2"}, "comes later"),
    ("GANRMBootstrap", {"liked": None}, "connect the same ordinary pictures"),
    ("GANRMBootstrap", {"ordinary": None}, "connect the same liked pictures"),
    ("GANRMEnsemble", {"weight_1": [0.0], "weight_2": [0.0]}, "weight other than 0"),
    ("GANRMSaveImages", {"filename_prefix": ["../evil"], "format": ["png"]}, "not written to"),
    ("GANRMSaveImages", {"filename_prefix": [""], "format": ["png"]}, "filename prefix"),
    ("GANRMSaveImages", {"filename_prefix": ["a"], "format": ["gif"]}, "png, webp"),
    ("GANRMSaveModel", {"name": "a", "if_exists": "overwrite"}, "add a number"),
    ("GANRMCullFolder", {"folder": "input/none"}, "no folder"),
    ("GANRMCullFolder", {"folder": "input/pictures", "alike": "twins"}, "bursts, copies"),
    ("GANRMCullFolder", {"folder": "input/pictures", "place": "move"}, "copy, link, nothing"),
    (
        "GANRMCullFolder",
        {"folder": "input/pictures", "place": "copy", "save_to": "input/x"},
        "only read from",
    ),
    ("GANRMTasteCard", {"folder": "input/deep", "recursive": False}, "Include the subfolders"),
    ("GANRMScoreFolder", {"folder": "input/none"}, "no folder"),
    ("GANRMScoreFolder", {"folder": "input/deep", "recursive": False}, "Include the subfolders"),
    ("GANRMScoreFolder", {"folder": "input/pictures", "keep": 1, "save_to": "input/x"}, "only read from"),
    ("GANRMScoreFolder", {"folder": "input/pictures", "keep": 1, "place": "move"}, "copy, link"),
]

ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("GANRMBestOfN", BEST),
    ("GANRMBestOfN", {"given_scores": (None,)}),
    ("GANRMBestOfN", {**BEST, "keep": LINK, "min_keep": [2]}),
    ("GANRMBestOfN", {**dict.fromkeys(BEST, LINK), "reward": (None,)}),
    ("GANRMScore", {"candidate": LINK}),
    ("GANRMScore", {"candidate": ["each image"], "pick": LINK}),
    ("GANRMBestOfN", {**BEST, "pick": ["1 4-6"]}),
    ("GANRMAddToDataset", {"dataset_name": LINK, "pick": LINK}),
    ("GANRMAddToDataset", {"dataset_name": ["likes"], "pick": [" ALL "]}),
    ("GANRMBestOfNSampler", SAMPLER),
    ("GANRMBestOfNSampler", {**SAMPLER, "n": None, "keep": 99}),
    ("GANRMBestOfNSampler", {**SAMPLER, "search": "resample", "path": "5 > 23 after 8 from 4"}),
    ("GANRMBestOfNSampler", dict.fromkeys(SAMPLER, None)),
    ("GANRMBestOfNSamplerCustom", CUSTOM),
    ("GANRMBootstrap", {}),
    ("GANRMBootstrap", {"liked": None, "ordinary": None}),
    ("GANRMEnsemble", {"weight_1": [0.0], "weight_2": [0.0], "reward_3": LINK, "weight_3": [1.0]}),
    ("GANRMSaveImages", {"filename_prefix": LINK, "format": LINK}),
    ("GANRMSaveImages", {"filename_prefix": ["a/%score%"], "format": ["webp"]}),
    ("GANRMCullFolder", {"folder": "input/pictures", "place": "nothing", "save_to": "../x"}),
    ("GANRMCullFolder", {"folder": None, "alike": None, "save_to": None, "place": None}),
    ("GANRMTasteCard", {"folder": None}),
    ("GANRMScoreFolder", {"folder": "input/deep", "recursive": True}),
    ("GANRMScoreFolder", {"folder": "input/pictures", "keep": 0, "save_to": "../x", "place": "move"}),
    ("GANRMScoreFolder", {"folder": None, "keep": 1, "save_to": None, "place": None}),
]


@pytest.fixture(autouse=True)
def pictures(folders: Folders) -> None:
    for name in ("pictures/a.png", "deep/er/a.png"):
        path = folders.input / name
        path.parent.mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(path)


@pytest.mark.parametrize(("node", "inputs", "words"), REFUSED)
def test_refused(pack: Pack, node: str, inputs: dict[str, Any], words: str) -> None:
    assert words in pack.refusal(node, **inputs)


@pytest.mark.parametrize(("node", "inputs"), ACCEPTED)
def test_accepted(pack: Pack, node: str, inputs: dict[str, Any]) -> None:
    assert pack.refusal(node, **inputs) == ""


def test_asking_leaves_nothing_behind(pack: Pack, folders: Folders, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    place = {"save_to": "new/best", "place": "copy", "keep": 1}
    assert pack.refusal("GANRMScoreFolder", folder="input/pictures", recursive=False, **place) == ""
    assert pack.refusal("GANRMSaveImages", filename_prefix=["new/best"], format=["png"]) == ""
    assert pack.refusal("GANRMSaveModel", name="new/best", if_exists="add a number") == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_every_widget_that_is_checked_is_one_of_the_node(pack: Pack) -> None:
    for name in pack.ids:
        node = pack.node(name)
        if "validate_inputs" in vars(node):
            arguments = inspect.getfullargspec(node.validate_inputs)
            assert arguments.varkw is None, "the server would check no choice at all"
            assert set(arguments.args) - {"cls"} <= {socket.id for socket in pack.schema(name).inputs}
