"""A taste trained again under its name: what Save GAN-RM shows and keeps, and which one Load GAN-RM then gives."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from contract_support.pack import Folders, Pack
from contract_support.pictures import pixels

REPLACE = "replace, keep the old one aside"
NEWEST = "newest of my_taste"


@pytest.fixture
def home(folders: Folders) -> Path:
    return folders.models / "ganrm"


@pytest.fixture
def save(pack: Pack, home: Path, trained: Any) -> Callable[..., Any]:
    """(auc, name, if_exists) → the result of saving the trained reward with another AUC in its card."""

    def run(auc: float | None, name: str = "my_taste", if_exists: str = "add a number") -> Any:
        model = copy.copy(trained.model)
        interval = [auc, auc - 0.05, auc + 0.05] if auc else None
        model.card = {**model.card, "metrics": auc and {**model.card["metrics"], "auc": interval}}
        reward = pack.module("nodes.host.model_management").ManagedReward(model)
        return pack.run("GANRMSaveModel", reward=reward, name=name, if_exists=if_exists)

    return run


def loaded_auc(pack: Pack, choice: str = NEWEST) -> float:
    auc: float = pack.run("GANRMLoadModel", model=choice)["reward"].model.card["metrics"]["auc"][0]
    return auc


def dated(path: Path, second: int) -> None:
    os.utime(path, (second, second))


def test_the_name_and_the_auc_are_shown_beside_the_one_before(
    pack: Pack, home: Path, folders: Folders, save: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, drawn = pack.module("nodes.files.reward_models"), list[Any]()
    draw = module.saved_card
    monkeypatch.setattr(module, "saved_card", lambda *told: [drawn.append(told), draw(*told)][1])
    first = save(0.87)
    assert first.ui["text"] == ["Saved as my_taste.safetensors. AUC 0.870."]
    assert first.ui["auc_before"] == [None]
    dated(home / "my_taste.safetensors", 1000)
    second = save(0.9)
    assert second.ui["text"] == ["Saved as my_taste (2).safetensors. AUC 0.900, before 0.870."]
    assert (second.ui["auc"], second.ui["auc_before"]) == ([0.9], [0.87])
    (entry,) = save(0.9).ui["images"]
    (home / "other (2).safetensors").write_bytes(b"damaged")
    assert save(None, "other").ui["text"] == ["Saved as other.safetensors."]
    assert save(0.7, "other").ui["text"] == ["Saved as other (3).safetensors. AUC 0.700."]
    assert drawn[:3] == [
        ("Saved as", "my_taste", "AUC 0.870", ""),
        ("Saved as", "my_taste (2)", "AUC 0.900, before 0.870", ""),
        ("Kept already as", "my_taste (2)", "AUC 0.900", ""),
    ]
    # Large letters: at 340 pixels, as wide as nodes are, still easy to read.
    card = pixels(folders.temp / entry["subfolder"] / entry["filename"])
    (bright,) = (card.min(axis=2) > 200).any(axis=0).nonzero()
    assert bright[-1] - bright[0] > 0.35 * card.shape[1]


def test_newest_is_the_one_saved_last_without_a_new_choice(
    pack: Pack, home: Path, save: Any, errors: Any
) -> None:
    fingerprint = pack.node("GANRMLoadModel").fingerprint_inputs
    with pytest.raises(errors.CheckpointError, match=r"\"my_taste\".*not on this machine") as caught:
        pack.run("GANRMLoadModel", model=NEWEST)
    assert str(caught.value) == pack.refusal("GANRMLoadModel", model=NEWEST)
    assert fingerprint(model=NEWEST) == "missing"
    save(0.87)
    dated(home / "my_taste.safetensors", 1000)
    before = fingerprint(model=NEWEST)
    save(0.9)
    dated(home / "my_taste (2).safetensors", 2000)
    assert fingerprint(model=NEWEST) != before, "else it would be served from the cache"
    assert loaded_auc(pack) == 0.9
    assert loaded_auc(pack, "my_taste.safetensors") == 0.87
    assert pack.run("GANRMLoadModel", model=NEWEST)["reward"].name == "my_taste (2)"
    save(0.87)
    assert loaded_auc(pack) == 0.87, "one that was there already counts as saved now"


class TestReplace:
    def test_the_old_one_is_kept_aside_and_is_not_the_newest(self, pack: Pack, home: Path, save: Any) -> None:
        save(0.87)
        model = home / "my_taste.safetensors"
        old = model.read_bytes()
        archive_path = pack.module("ganrm_core.training.feature_archive").archive_path
        archive_path(model).write_bytes(b"of the old one")
        result = save(0.9, if_exists=REPLACE)
        assert result["path"] == model.name
        (aside,) = home.glob("my_taste (before*[0-9]).safetensors")
        assert re.fullmatch(r"my_taste \(before \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\)", aside.stem)
        assert result.ui["text"] == [
            f"Saved as my_taste.safetensors. AUC 0.900, before 0.870. The one before: {aside.stem}."
        ]
        assert aside.read_bytes() == old
        assert archive_path(aside).read_bytes() == b"of the old one"
        assert not archive_path(model).exists()
        dated(aside, 4_000_000_000)  # the clock was wrong
        assert loaded_auc(pack) == 0.9
        assert loaded_auc(pack, aside.name) == 0.87
        again = save(0.9, if_exists=REPLACE)
        assert again.ui["text"] == ["Kept already as my_taste.safetensors. AUC 0.900."]
