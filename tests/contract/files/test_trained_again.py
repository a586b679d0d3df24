"""A taste trained again under its name: what Save GAN-RM shows and keeps, and which one Load GAN-RM then gives."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

REPLACE = "replace, keep the old one aside"
NEWEST = "newest of my_taste"


@pytest.fixture
def home(folders: Any) -> Path:
    path: Path = folders.models / "ganrm"
    return path


@pytest.fixture
def model(pack: Any, trained: Any) -> Callable[[float], Any]:
    """(AUC) → the trained reward with another figure in its card, as if trained on other pictures."""
    memory, loading = (
        pack.module("nodes.host.model_management"),
        pack.module("ganrm_core.rewards.discriminator.reward_model"),
    )

    def make(auc: float) -> Any:
        base = trained.model
        card = {**base.card, "metrics": {**base.card["metrics"], "auc": [auc, auc - 0.05, auc + 0.05]}}
        assert isinstance(base, loading.RewardModel)
        return memory.ManagedReward(_with_card(base, card))

    return make


def _with_card(model: Any, card: dict[str, Any]) -> Any:
    import copy

    other = copy.copy(model)
    object.__setattr__(other, "card", card)
    return other


def save(pack: Any, reward: Any, name: str = "my_taste", if_exists: str = "add a number") -> Any:
    return pack.run("GANRMSaveModel", reward=reward, name=name, if_exists=if_exists)


def loaded_auc(pack: Any, choice: str = NEWEST) -> float:
    auc: float = pack.run("GANRMLoadModel", model=choice)["reward"].model.card["metrics"]["auc"][0]
    return auc


def dated(path: Path, second: int) -> None:
    os.utime(path, (second, second))


class TestWhatIsShown:
    def test_the_name_and_how_good_it_is_beside_the_one_before(
        self, pack: Any, home: Path, model: Any
    ) -> None:
        first = save(pack, model(0.87))
        assert first.ui["text"] == ["Saved as my_taste.safetensors. AUC 0.870."]
        assert first.ui["auc_before"] == [None]
        dated(home / "my_taste.safetensors", 1000)
        second = save(pack, model(0.9))
        assert second.ui["text"] == ["Saved as my_taste (2).safetensors. AUC 0.900, before 0.870."]
        assert (second.ui["auc"], second.ui["auc_before"]) == ([0.9], [0.87])
        dated(home / "my_taste (2).safetensors", 2000)
        assert save(pack, model(0.8)).ui["text"] == [
            "Saved as my_taste (3).safetensors. AUC 0.800, before 0.900."
        ]

    def test_it_stands_in_a_picture_in_the_node(
        self, pack: Any, folders: Any, model: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module, words = pack.module("nodes.files.reward_models"), []
        draw = module.saved_card
        monkeypatch.setattr(module, "saved_card", lambda *told: [words.append(told), draw(*told)][1])
        for auc in (0.87, 0.9, 0.9):
            (entry,) = save(pack, model(auc)).ui["images"]
        assert words == [
            ("Saved as", "my_taste", "AUC 0.870", ""),
            ("Saved as", "my_taste (2)", "AUC 0.900, before 0.870", ""),
            ("Kept already as", "my_taste (2)", "AUC 0.900", ""),
        ]
        with Image.open(folders.temp / entry["subfolder"] / entry["filename"]) as card:
            pixels = np.asarray(card.convert("RGB")).astype(int)
        # Large letters: at 340 pixels, as wide as nodes are, still easy to read.
        bright = (pixels.min(axis=2) > 200).any(axis=0)
        assert np.flatnonzero(bright)[-1] - np.flatnonzero(bright)[0] > 0.35 * pixels.shape[1]

    def test_a_model_that_was_never_measured(self, pack: Any, home: Path, model: Any) -> None:
        reward = model(0.5)
        reward.model.card["metrics"] = None
        assert save(pack, reward).ui["text"] == ["Saved as my_taste.safetensors."]
        (home / "my_taste (2).safetensors").write_bytes(b"damaged")
        assert save(pack, model(0.7)).ui["text"] == ["Saved as my_taste (3).safetensors. AUC 0.700."]


class TestNewest:
    def test_it_is_the_one_saved_last_without_a_new_choice(self, pack: Any, home: Path, model: Any) -> None:
        fingerprint = pack.node("GANRMLoadModel").fingerprint_inputs
        save(pack, model(0.87))
        dated(home / "my_taste.safetensors", 1000)
        before = fingerprint(model=NEWEST)
        save(pack, model(0.9))
        assert fingerprint(model=NEWEST) != before, "else it would be served from the cache"
        assert loaded_auc(pack) == 0.9
        assert loaded_auc(pack, "my_taste.safetensors") == 0.87
        assert pack.run("GANRMLoadModel", model=NEWEST)["reward"].name == "my_taste (2)"

    def test_one_that_was_there_already_counts_as_saved_now(self, pack: Any, home: Path, model: Any) -> None:
        for second, auc in ((1000, 0.87), (2000, 0.9)):
            dated(home / save(pack, model(auc))["path"], second)
        assert save(pack, model(0.87))["path"] == "my_taste.safetensors"
        assert loaded_auc(pack) == 0.87

    def test_saved_in_the_same_moment_the_higher_number_counts(
        self, pack: Any, home: Path, model: Any
    ) -> None:
        for auc in (0.6, 0.7, 0.8):
            dated(home / save(pack, model(auc))["path"], 1000)
        assert loaded_auc(pack) == 0.8

    def test_the_list_names_each_series_once(self, pack: Any, home: Path, model: Any) -> None:
        for auc in (0.6, 0.7):
            save(pack, model(auc))
            save(pack, model(auc), "portraits/soft", REPLACE)
        options = pack.schema("GANRMLoadModel").inputs[0].options
        assert [name for name in options if name.startswith("newest")] == [NEWEST, "newest of portraits/soft"]

    @pytest.mark.usefixtures("folders")
    def test_none_of_that_name(self, pack: Any) -> None:
        node, errors = pack.node("GANRMLoadModel"), pack.module("ganrm_core.utils.errors")
        message = pack.refusal("GANRMLoadModel", model=NEWEST)
        for words in ('"my_taste"', "not on this machine", "Train GAN-RM"):
            assert words in message
        with pytest.raises(errors.CheckpointError) as caught:
            pack.run("GANRMLoadModel", model=NEWEST)
        assert str(caught.value) == message
        assert node.fingerprint_inputs(model=NEWEST) == "missing"


class TestReplace:
    def test_the_old_one_is_kept_aside_and_is_not_the_newest(self, pack: Any, home: Path, model: Any) -> None:
        save(pack, model(0.87))
        old = (home / "my_taste.safetensors").read_bytes()
        (home / "my_taste.features.safetensors").write_bytes(b"of the old one")
        result = save(pack, model(0.9), if_exists=REPLACE)
        assert result["path"] == "my_taste.safetensors"
        (aside,) = home.glob("my_taste (before*).safetensors")
        if aside.name.endswith(".features.safetensors"):
            pytest.fail("the old model is gone")
        assert re.fullmatch(r"my_taste \(before \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\)", aside.stem)
        assert result.ui["text"] == [
            f"Saved as my_taste.safetensors. AUC 0.900, before 0.870. The one before: {aside.stem}."
        ]
        assert aside.read_bytes() == old
        companion = pack.module("ganrm_core.training.feature_archive").archive_path
        assert companion(aside).read_bytes() == b"of the old one"
        assert not companion(home / "my_taste.safetensors").exists()
        dated(aside, 4_000_000_000)  # the clock was wrong
        assert loaded_auc(pack) == 0.9
        assert loaded_auc(pack, aside.name) == 0.87

    def test_again_and_again_loses_none(self, pack: Any, home: Path, model: Any) -> None:
        for auc in (0.6, 0.7, 0.8, 0.9):
            save(pack, model(auc), if_exists=REPLACE)
        assert len(list(home.glob("my_taste (before*.safetensors"))) == 3
        assert loaded_auc(pack) == 0.9

    def test_the_same_model_again_moves_nothing(self, pack: Any, home: Path, model: Any) -> None:
        for _ in range(2):
            result = save(pack, model(0.9), if_exists=REPLACE)
        assert result.ui["text"] == ["Kept already as my_taste.safetensors. AUC 0.900."]
        assert [path.name for path in home.iterdir()] == ["my_taste.safetensors"]

    def test_a_choice_that_is_none(self, pack: Any, model: Any) -> None:
        errors = pack.module("ganrm_core.utils.errors")
        told = pack.refusal("GANRMSaveModel", name="a", if_exists="overwrite")
        with pytest.raises(errors.DataError) as caught:
            save(pack, model(0.9), if_exists="overwrite")
        assert told == str(caught.value)
        assert "add a number" in told
