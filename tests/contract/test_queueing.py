"""What is refused when a graph is queued: everything that widgets and links alone can get wrong."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from contract_support.pack import Folders, Pack
from PIL import Image

LINK = [None]  # what ComfyUI passes for an input that comes over a link, in a node that takes lists


def best_of_n(**inputs: Any) -> dict[str, Any]:
    given = {"keep": [1], "group_size": [0], "min_score": [0.0], "min_keep": [0], "order": ["ranked"]}
    return {**given, "candidate": ["each image"], "ties": ["by score"], "reward": (None,), **inputs}


def sampler(**inputs: Any) -> dict[str, Any]:
    given = {"sampler_name": "euler", "scheduler": "normal", "denoise": 1.0, "n": 8, "keep": 1}
    return {**given, "pruning": "standard", "custom_pruning": "", "look_with": "vae", **inputs}


def custom(**inputs: Any) -> dict[str, Any]:
    left_out = ("sampler_name", "scheduler", "denoise")
    return {key: value for key, value in sampler(**inputs).items() if key not in left_out}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("GANRMBestOfN", {"keep": [1]}, "Nothing to judge by"),
    ("GANRMBestOfN", best_of_n(given_scores=(None,)), "Both a reward and scores"),
    ("GANRMBestOfN", best_of_n(min_keep=[2]), "between 0 and keep"),
    ("GANRMBestOfN", best_of_n(keep=[0]), "at least one candidate"),
    ("GANRMBestOfN", best_of_n(order=["upside down"]), "no order"),
    ("GANRMBestOfN", best_of_n(ties=["by chance"]), "break ties"),
    ("GANRMScore", {"candidate": ["each pixel"]}, "no candidate"),
    ("GANRMAddToDataset", {"dataset_name": ["likes"], "pick": ["foo"]}, '"foo" is no number to pick'),
    ("GANRMAddToDataset", {"dataset_name": ["../evil"], "pick": [""]}, "not written to"),
    ("GANRMAddToDataset", {"dataset_name": [""], "pick": [""]}, "Give the dataset a name"),
    ("GANRMBestOfNSampler", sampler(keep=9), "keep is 9 of 8"),
    ("GANRMBestOfNSampler", sampler(n=257), "n is 257"),
    ("GANRMBestOfNSampler", sampler(denoise=0.0), "no steps to sample"),
    ("GANRMBestOfNSampler", sampler(sampler_name="eular"), "no 'eular'"),
    ("GANRMBestOfNSampler", sampler(pruning="wild"), "no pruning 'wild'"),
    ("GANRMBestOfNSampler", sampler(custom_pruning="30%"), "cannot be read"),
    ("GANRMBestOfNSampler", sampler(look_with="glasses"), "no decoder"),
    ("GANRMBestOfNSamplerCustom", custom(custom_pruning="50%: 1/4, 30%: 1/2"), "comes later"),
    ("GANRMBootstrap", {"liked": None}, "connect the same ordinary pictures"),
    ("GANRMBootstrap", {"ordinary": None}, "connect the same liked pictures"),
    ("GANRMEnsemble", {"weight_1": 0.0, "weight_2": 0.0}, "weight other than 0"),
    ("GANRMSaveImages", {"filename_prefix": ["../evil"], "format": ["png"]}, "not written to"),
    ("GANRMSaveImages", {"filename_prefix": [""], "format": ["png"]}, "filename prefix"),
    ("GANRMSaveImages", {"filename_prefix": ["a"], "format": ["gif"]}, "png, webp"),
    ("GANRMScoreFolder", {"folder": "input/none"}, "no folder"),
    ("GANRMScoreFolder", {"folder": "input/deep", "recursive": False}, "Include the subfolders"),
    ("GANRMScoreFolder", {"folder": "input/pictures", "keep": 1, "save_to": "input/x"}, "only read from"),
    ("GANRMScoreFolder", {"folder": "input/pictures", "keep": 1, "place": "move"}, "copy, link"),
]

ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("GANRMBestOfN", best_of_n()),
    ("GANRMBestOfN", {"given_scores": (None,)}),
    ("GANRMBestOfN", best_of_n(keep=LINK, min_keep=[2])),
    ("GANRMBestOfN", {**dict.fromkeys(best_of_n(), LINK), "reward": (None,)}),
    ("GANRMScore", {"candidate": LINK}),
    ("GANRMAddToDataset", {"dataset_name": LINK, "pick": LINK}),
    ("GANRMAddToDataset", {"dataset_name": ["likes"], "pick": [" ALL "]}),
    ("GANRMBestOfNSampler", sampler()),
    ("GANRMBestOfNSampler", sampler(n=None, keep=99)),
    ("GANRMBestOfNSampler", dict.fromkeys(sampler(), None)),
    ("GANRMBestOfNSamplerCustom", custom()),
    ("GANRMBootstrap", {}),
    ("GANRMBootstrap", {"liked": None, "ordinary": None}),
    ("GANRMEnsemble", {"weight_1": 0.0, "weight_2": 0.0, "reward_3": None, "weight_3": 1.0}),
    ("GANRMSaveImages", {"filename_prefix": LINK, "format": LINK}),
    ("GANRMSaveImages", {"filename_prefix": ["a/%score%"], "format": ["webp"]}),
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
