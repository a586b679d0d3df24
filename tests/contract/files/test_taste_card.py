"""Node "Taste Card": the card, the fingerprint of the model, and what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from contract_support.pack import Folders, Pack
from host_support.drawn_pictures import fill_folder
from PIL import Image

NODE = "GANRMTasteCard"


@pytest.fixture
def shown(folders: Folders) -> str:
    fill_folder(folders.input / "shown", "liked", 4, first=70)
    fill_folder(folders.input / "shown", "ordinary", 4, first=80)
    return "input/shown"


def test_a_card_and_the_fingerprint_of_the_saved_model(
    pack: Pack, trained: Any, shown: str, folders: Folders, places: Any
) -> None:
    inputs = {
        "reward": trained,
        "folder": shown,
        "name": "Soft light",
        "author": "Ana",
        "licence": "CC BY 4.0",
    }
    result = pack.run(NODE, **inputs)
    assert result["card"].shape[0] == 1
    assert result["card"].shape[2:] == (1200, 3)
    pack.run("GANRMSaveModel", reward=trained, name="my_taste")
    (saved,) = folders.models.rglob("my_taste.safetensors")
    assert result["sha256"] == hashlib.sha256(saved.read_bytes()).hexdigest() == result.ui["sha256"][0]
    (entry,) = result.ui["images"]
    with Image.open(places.temporary_folder() / entry["filename"]) as picture:
        about = json.loads(picture.text["ganrm_card"])  # type: ignore[attr-defined]
    assert about == {
        "name": "Soft light",
        "sha256": result["sha256"],
        "licence": "CC BY 4.0",
        "author": "Ana",
    }
    again = pack.run(NODE, **inputs)
    assert (again["card"] == result["card"]).all()


def test_only_a_trained_model_has_a_card(pack: Pack, bright: Any, shown: str) -> None:
    with pytest.raises(pack.module("ganrm_core.utils.errors").OutputError, match="one trained model"):
        pack.run(NODE, reward=bright, folder=shown)


def test_one_picture_is_not_enough(pack: Pack, trained: Any, folders: Folders) -> None:
    fill_folder(folders.input / "one", "liked", 1)
    with pytest.raises(pack.module("ganrm_core.utils.errors").DataError, match="only one that can be read"):
        pack.run(NODE, reward=trained, folder="input/one")


def test_a_folder_without_pictures_is_refused_before_the_run(pack: Pack, folders: Folders) -> None:
    (folders.input / "empty").mkdir(parents=True)
    assert "is empty" in pack.refusal(NODE, folder="input/empty")
    assert Path(folders.input, "empty").is_dir()
