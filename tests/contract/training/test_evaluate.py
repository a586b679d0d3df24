"""Evaluate GAN-RM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.pack import Folders, Pack
from host_support.drawn_pictures import fill_folder
from PIL import Image


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    liked = fill_folder(tmp_path_factory.mktemp("liked"), "liked", 5, first=50)
    ordinary = fill_folder(tmp_path_factory.mktemp("ordinary"), "ordinary", 4, first=50)
    return SimpleNamespace(liked=sorted(liked.iterdir()), ordinary=sorted(ordinary.iterdir()))


@pytest.fixture
def evaluate(
    pack: Pack, folders: Folders, dataset: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """(reward, liked, ordinary) → the node's result. Drawing the report would take most of the time."""
    module = pack.module("nodes.training.evaluate")
    monkeypatch.setattr(module, "image_report", lambda *_, **__: Image.new("RGB", (8, 8)))

    def run(reward: Any, liked: Any, ordinary: Any) -> Any:
        return pack.run("GANRMEvaluate", reward=reward, liked=dataset(liked), ordinary=dataset(ordinary))

    return run


@pytest.fixture
def by_name(pack: Pack) -> Any:
    """A reward that is no GAN-RM model: 0.9 for files called liked…, 0.1 for others; skips files called bad…."""
    scores = pack.module("ganrm_core.rewards.base").Scores
    skipped_file = pack.module("ganrm_core.data.skipped_files").Skipped

    def score_files(paths: Sequence[Path], skipped: list[Any]) -> Iterator[tuple[Path, Any]]:
        for path in paths:
            if path.name.startswith("bad"):
                skipped.append(skipped_file(path, "it is no picture"))
                continue
            value = torch.tensor([0.9 if path.name.startswith("liked") else 0.1])
            yield path, scores(value, value, value * 0)

    return SimpleNamespace(name="by name", thresholds={}, score_files=score_files)


def test_a_model_on_pictures_it_has_not_seen(evaluate: Any, trained: Any, unseen: Any) -> None:
    result = evaluate(trained, unseen.liked, unseen.ordinary)
    metrics = json.loads(result["metrics"])
    assert result["auc"] == metrics["auc"][0] == 1.0
    assert metrics["reward"] == "my_taste"
    assert (metrics["n_liked"], metrics["n_ordinary"], metrics["n_skipped"]) == (5, 4, 0)
    assert metrics["accuracy_threshold"] == trained.thresholds["balanced"]
    assert metrics["warnings"] == []
    assert result["summary"].startswith("my_taste: AUC 1.000 [")
    assert "5 liked and 4 ordinary" in result["summary"]
    assert "!" not in result["summary"]
    assert result.ui["metrics"] == [metrics]
    assert len(result.ui["images"]) == 1


def test_another_reward_the_bar_and_cancel(
    evaluate: Any, by_name: Any, unseen: Any, bar_updates: list[Any], cancel: Any
) -> None:
    result = evaluate(by_name, unseen.liked, unseen.ordinary)
    assert result["auc"] == 1.0
    assert json.loads(result["metrics"])["accuracy_threshold"] == 0.5
    shares = [value / total for value, total, _ in bar_updates]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    single = evaluate(by_name, unseen.liked[:1], unseen.ordinary[:1])
    json.dumps(single.ui, allow_nan=False)
    with pytest.raises(cancel()):
        evaluate(by_name, unseen.liked, unseen.ordinary)


class TestWarnings:
    def test_the_pictures_of_the_training_even_renamed(
        self, evaluate: Any, trained: Any, taste: Any, unseen: Any, tmp_path: Path
    ) -> None:
        both = evaluate(trained, taste.liked, taste.ordinary)["summary"]
        assert "! The liked and the ordinary pictures are the very ones" in both
        assert "had not seen" not in both.partition("!")[0]
        renamed = tmp_path / "renamed"
        renamed.mkdir()
        for number, path in enumerate(sorted(taste.liked.iterdir(), reverse=True)):
            (renamed / f"{number:02}.png").write_bytes(path.read_bytes())
        assert (
            "! The liked pictures are the very ones" in evaluate(trained, renamed, unseen.ordinary)["summary"]
        )
        part = evaluate(trained, sorted(renamed.iterdir())[1:], unseen.ordinary)["summary"]
        assert "the very ones" not in part

    def test_datasets_the_wrong_way_round_and_files_that_cannot_be_read(
        self, evaluate: Any, by_name: Any, unseen: Any, errors: Any, tmp_path: Path
    ) -> None:
        result = evaluate(by_name, unseen.ordinary, unseen.liked)
        assert result["auc"] == 0.0
        assert "wrong way round" in result["summary"]
        bad = tmp_path / "bad.png"
        bad.write_bytes(b"no picture")
        result = evaluate(by_name, [*unseen.liked, bad], unseen.ordinary)
        assert json.loads(result["metrics"])["n_skipped"] == 1
        assert '! 1 file was skipped: "bad.png"' in result["summary"]
        with pytest.raises(errors.DataError, match=r"None of the ordinary.*bad\.png"):
            evaluate(by_name, unseen.liked, [bad])


def test_sets_that_cannot_be_compared(evaluate: Any, by_name: Any, errors: Any, unseen: Any) -> None:
    for liked, ordinary, words in (
        ([], unseen.ordinary, "no liked pictures"),
        (unseen.liked, [], "no ordinary pictures"),
        (unseen.liked, [*unseen.ordinary, unseen.liked[0]], "both the liked and the ordinary"),
    ):
        with pytest.raises(errors.DataError, match=words):
            evaluate(by_name, liked, ordinary)
