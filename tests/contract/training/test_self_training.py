"""Rank-Based Bootstrapping."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch


class CancelError(Exception):
    """As ComfyUI's own: a plain Exception, which a careless handler would swallow."""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, make_pictures: Callable[..., list[Path]]) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    make_pictures(folder, "liked", 6, first=50)
    make_pictures(folder, "ordinary", 14, first=50)
    return folder


@pytest.fixture
def bootstrap(
    pack: Any, folders: Any, trained: Any, taste: Any, pool: Path, dataset: Callable[..., Any]
) -> Any:
    assert folders

    def run(**inputs: Any) -> Any:
        given = {"reward": trained, "pool": dataset(pool), "rounds": 1}
        sets = {"liked": dataset(taste.liked), "ordinary": dataset(taste.ordinary)}
        given = {**given, **sets, **inputs}
        return pack.run("GANRMBootstrap", **{key: value for key, value in given.items() if value is not None})

    return run


@pytest.fixture
def keeps(pack: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    def decide(kept: bool) -> None:
        monkeypatch.setattr(
            pack.module("ganrm_core.training.self_training.rounds"), "ranks_better", lambda *_: kept
        )

    return decide


@pytest.mark.usefixtures("folders")
def test_schema(pack: Any) -> None:
    schema = pack.schema("GANRMBootstrap")
    assert [socket.id for socket in schema.inputs] == [
        *("reward", "pool", "liked", "ordinary", "rounds", "bottom_only", "top", "bottom", "alpha")
    ]
    assert [socket.id for socket in schema.outputs] == ["refined", "report", "summary"]
    assert [socket.id for socket in schema.inputs if socket.optional] == ["liked", "ordinary"]
    assert schema.is_output_node


def test_a_better_reward(bootstrap: Any, keeps: Any, trained: Any, pack: Any, pool: Path) -> None:
    keeps(True)
    result = bootstrap()
    reward = result["refined"]
    assert isinstance(reward, pack.module("nodes.host.model_management").ManagedReward)
    assert reward is not trained
    assert reward.model.card["provenance"]["bootstrapping"][0]["n_pool"] == 20
    assert len(reward.score(sorted(pool.iterdir())[:2])) == 2
    assert result["report"].shape[0] == 1
    assert result["report"].shape[2:] == (1400, 3)
    assert "1 round was kept" in result["summary"]
    assert "Save GAN-RM" in result["summary"]
    assert result.ui["improved"] == [True]
    assert len(result.ui["auc"]) == 2
    assert result.ui["images"]


def test_the_reward_itself_where_it_does_not_help(bootstrap: Any, keeps: Any, trained: Any) -> None:
    keeps(False)
    result = bootstrap(bottom_only=True, top=2, bottom=3, alpha=0.5)
    assert result["refined"] is trained
    assert "unchanged" in result["summary"]
    assert "the last 3 as ordinary" in result["summary"]
    assert result.ui["rounds_kept"] == [0]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (("liked", "ordinary"), r"connect the same liked and ordinary pictures .* \.features\.safetensors"),
        (("liked",), "connect the same liked pictures"),
    ],
)
def test_missing_pictures_are_named(bootstrap: Any, pack: Any, missing: tuple[str, ...], words: str) -> None:
    with pytest.raises(pack.module("ganrm_core.utils.errors").DataError, match=words):
        bootstrap(**dict.fromkeys(missing))


def test_a_loaded_model_with_its_features_needs_no_pictures(
    bootstrap: Any, keeps: Any, trained: Any, pack: Any, taste: Any, folders: Any
) -> None:
    keeps(False)
    path = folders.models / "ganrm" / "own" / "soft.safetensors"
    path.parent.mkdir(parents=True)
    trained.model.save(path)
    known_pictures = pack.module("ganrm_core.training.self_training.known_pictures")
    sources = known_pictures.Sources([], taste.liked, taste.ordinary)
    known = known_pictures.known_pictures(trained.model, sources, lambda _: None)
    pack.module("ganrm_core.training.feature_archive").write_features(path, trained.model, known.archive)
    loaded = pack.run("GANRMLoadModel", model="own/soft.safetensors")["reward"]
    assert bootstrap(reward=loaded, liked=None, ordinary=None)["refined"] is loaded


def test_only_a_reward_model_can_be_refined(bootstrap: Any, pack: Any) -> None:
    class Other:
        name = "other"

    with pytest.raises(pack.module("ganrm_core.utils.errors").DataError, match="Only a reward model itself"):
        bootstrap(reward=Other())


def test_cancel_passes_through(
    bootstrap: Any, pack: Any, monkeypatch: pytest.MonkeyPatch, folders: Any
) -> None:
    def cancelled() -> None:
        raise CancelError

    monkeypatch.setattr(
        pack.module("nodes.host.progress").comfy.model_management,
        "throw_exception_if_processing_interrupted",
        cancelled,
    )
    with pytest.raises(CancelError):
        bootstrap()
    assert not list(folders.output.rglob("*.safetensors"))


def test_the_reward_still_works_in_inference_mode(bootstrap: Any, keeps: Any, pool: Path) -> None:
    keeps(True)
    reward = bootstrap()["refined"]
    with torch.inference_mode():
        assert len(reward.score(sorted(pool.iterdir())[:1])) == 1
