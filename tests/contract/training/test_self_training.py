"""Rank-Based Bootstrapping."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.pack import Folders, Pack
from host_support.drawn_pictures import fill_folder


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pool")
    for kind, count in (("liked", 3), ("ordinary", 7)):
        fill_folder(folder, kind, count, first=50)
    return sorted(folder.iterdir())


@pytest.fixture
def bootstrap(
    pack: Pack, folders: Folders, trained: Any, taste: Any, pool: list[Path], dataset: Any, monkeypatch: Any
) -> Any:
    """(**inputs) → the node's result; `helps` says whether the rounds rank the held-out pictures better."""

    def run(helps: bool = True, **inputs: Any) -> Any:
        rounds = pack.module("ganrm_core.training.self_training.rounds")
        monkeypatch.setattr(rounds, "ranks_better", lambda *_: helps)
        sets = {"liked": dataset(taste.liked), "ordinary": dataset(taste.ordinary)}
        given = {"reward": trained, "pool": dataset(pool), "rounds": 1, **sets, **inputs}
        return pack.run("GANRMBootstrap", **{key: value for key, value in given.items() if value is not None})

    return run


def test_a_better_reward(bootstrap: Any, trained: Any, pool: list[Path]) -> None:
    result = bootstrap()
    reward = result["refined"]
    assert type(reward) is type(trained)
    assert reward is not trained
    assert reward.model.card["provenance"]["bootstrapping"][0]["n_pool"] == 10
    with torch.inference_mode():
        assert len(reward.score(pool[:2])) == 2
    assert result["report"].shape[::2] == (1, 1400)
    assert "1 round was kept" in result["summary"]
    assert "Save GAN-RM" in result["summary"]
    assert result.ui["improved"] == [True]
    assert len(result.ui["auc"]) == 2
    assert result.ui["images"]


def test_the_reward_itself_where_it_does_not_help_even_without_the_pictures(
    bootstrap: Any, training: Any, pack: Pack, folders: Folders
) -> None:
    path = folders.models / "ganrm" / "own" / "soft.safetensors"
    path.parent.mkdir()
    pack.module("ganrm_core.training.feature_archive").write_model(path, training.model, training.known)
    loaded = pack.run("GANRMLoadModel", model="own/soft.safetensors")["reward"]
    options = {"bottom_only": True, "top": 2, "bottom": 3, "alpha": 0.5}
    result = bootstrap(helps=False, reward=loaded, liked=None, ordinary=None, **options)
    assert result["refined"] is loaded
    assert "unchanged" in result["summary"]
    assert "the last 3 as ordinary" in result["summary"]
    assert result.ui["rounds_kept"] == [0]


def test_refusals_and_cancel(bootstrap: Any, errors: Any, cancel: Any, folders: Folders) -> None:
    neither = {"liked": None, "ordinary": None}
    for inputs, words in (
        (neither, r"same liked and ordinary pictures .* \.features\.safetensors"),
        ({"liked": None}, "connect the same liked pictures"),
        ({"reward": SimpleNamespace(name="other")}, "Only a reward model itself"),
    ):
        with pytest.raises(errors.DataError, match=words):
            bootstrap(**inputs)
    with pytest.raises(cancel()):
        bootstrap()
    assert not list(folders.output.rglob("*.safetensors"))
