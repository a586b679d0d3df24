"""Pictures a node has shown are kept: the host need not have them made again, and typed numbers stay theirs."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.pack import Folders, Pack
from contract_support.pictures import noise


class Plain:
    """A node class of the older style that watches nothing."""


class Watching:
    @classmethod
    def IS_CHANGED(cls) -> str:  # noqa: N802
        return "never called here"


@pytest.fixture
def hidden(pack: Pack, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> Any:
    """(seed=0, text="a cat", **of the loader) → the hidden inputs of node "9" below a sampler and a loader."""
    classes = {"KSampler": Plain, "LoadImage": Watching, "VAEDecode": Plain, "GANRMAddToDataset": Plain}
    classes |= {"LoadImageDataSetFromFolder": Plain}
    monkeypatch.setitem(sys.modules, "nodes", SimpleNamespace(NODE_CLASS_MAPPINGS=classes))
    monkeypatch.setattr(pack.module("nodes.display.shown_pictures"), "_last", type(module_last(pack))())

    def make(seed: int = 0, text: str = "a cat", **loader: Any) -> Any:
        prompt = {
            "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "is_changed": ["1"], **loader},
            "2": {"class_type": "KSampler", "inputs": {"latent": ["1", 0], "seed": seed, "text": text}},
            "3": {"class_type": "VAEDecode", "inputs": {"samples": ["2", 0]}},
            "9": {"class_type": "GANRMAddToDataset", "inputs": {"images": ["3", 0], "pick": ""}},
        }
        return SimpleNamespace(prompt=prompt, unique_id="9")

    return make


def module_last(pack: Pack) -> Any:
    return pack.module("nodes.display.shown_pictures")._last


@pytest.fixture
def shown(pack: Pack) -> Any:
    return pack.module("nodes.display.shown_pictures").ShownPictures


def test_what_was_shown_need_not_be_made_again(shown: Any, hidden: Any) -> None:
    batch, single = noise(3), noise(1, (5, 9)).half()
    assert shown(hidden()).missing([None]) == ["images"]
    assert shown(hidden()).take([batch, single]) == [batch, single]
    assert shown(hidden()).missing([None]) == []
    again = shown(hidden()).take([None])
    assert [torch.equal(one, other) for one, other in zip(again, [batch, single], strict=True)] == [
        True,
        True,
    ]
    assert again[1].dtype == torch.float16


@pytest.mark.parametrize(
    "changed",
    [
        {"text": "a dog"},
        {"seed": 1},
        {"is_changed": ["2"]},
        {"is_changed": float("nan")},
        {"class_type": "Unknown"},
    ],
)
def test_whatever_changes_upstream_makes_new_pictures(shown: Any, hidden: Any, changed: Any) -> None:
    shown(hidden()).take([noise()])
    assert shown(hidden(**changed)).missing([None]) == ["images"]


def test_a_host_that_does_not_say_what_a_node_saw_is_not_trusted(shown: Any, hidden: Any) -> None:
    for kind in ("LoadImage", "LoadImageDataSetFromFolder"):
        silent = hidden(class_type=kind)
        del silent.prompt["1"]["is_changed"]
        shown(silent).take([noise()])
        assert shown(silent).missing([None]) == ["images"]


def test_numbers_typed_under_pictures_are_theirs_whatever_the_seed(shown: Any, hidden: Any) -> None:
    looked_at = noise(4)
    shown(hidden(seed=1)).take([looked_at])
    typed = shown(hidden(seed=2), "1 3")
    assert typed.missing([None]) == []
    assert torch.equal(typed.take([None])[0], looked_at)
    assert typed.earlier
    # Also where other nodes have had the new ones made already.
    assert torch.equal(shown(hidden(seed=3), "2").take([noise(4, seed=5)])[0], looked_at)
    # The same numbers again are no new choice, other prompts and no numbers are new pictures.
    assert shown(hidden(seed=4), "2").missing([None]) == ["images"]
    assert shown(hidden(seed=4, text="a dog"), "1").missing([None]) == ["images"]
    assert shown(hidden(seed=4)).missing([None]) == ["images"]


def test_lost_and_oversized_pictures(
    shown: Any, hidden: Any, pack: Pack, folders: Folders, errors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown(hidden()).take([noise()])
    (kept,) = (folders.temp / "ganrm" / "shown").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(errors.DataError, match="Run again: they are made anew"):
        shown(hidden()).take([None])
    assert shown(hidden()).missing([None]) == ["images"]
    monkeypatch.setattr(pack.module("nodes.display.shown_pictures"), "MOST_BYTES", 100)
    assert len(shown(hidden(seed=7)).take([noise()])) == 1
    assert shown(hidden(seed=7)).missing([None]) == ["images"]


def test_add_to_dataset_adds_what_was_seen(pack: Pack, folders: Folders, hidden: Any) -> None:
    def add(seed: int, pick: str, images: Any) -> Any:
        return pack.run(
            "GANRMAddToDataset", hidden=vars(hidden(seed)), images=images, dataset_name="likes", pick=pick
        )

    assert add(1, "", noise(4, seed=1))["added"] == 0
    result = add(2, "1 2", None)
    assert result["added"] == 2
    assert "These are the pictures you saw" in result["summary"]
    unseen = pack.run("GANRMAddToDataset", images=noise(4, seed=1), dataset_name="likes", pick="1 2")
    assert (unseen["added"], unseen["skipped"]) == (0, 2), "the very pictures that were shown"
