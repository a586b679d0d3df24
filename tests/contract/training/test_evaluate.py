"""Evaluate GAN-RM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory, make_pictures: Callable[..., list[Path]]) -> Any:
    folder = tmp_path_factory.mktemp("unseen")
    return SimpleNamespace(
        liked=make_pictures(folder / "liked", "liked", 5, first=50),
        ordinary=make_pictures(folder / "ordinary", "ordinary", 4, first=50),
    )


@pytest.fixture
def evaluate(pack: Any, folders: Any, dataset: Callable[..., Any]) -> Callable[..., Any]:
    assert folders

    def run(reward: Any, liked: Any, ordinary: Any) -> Any:
        return pack.run("GANRMEvaluate", reward=reward, liked=dataset(liked), ordinary=dataset(ordinary))

    return run


@pytest.fixture
def other_reward(pack: Any) -> Any:
    """Not a GAN-RM: scores by the number in the file's name."""
    scores_type = pack.module("ganrm_core.rewards.base").Scores

    class ByName:
        name = "by name"
        thresholds: dict[str, float] = {}  # noqa: RUF012

        def score_files(self, paths: Sequence[Path], skipped: list[Any]) -> Iterator[tuple[Path, Any]]:
            del skipped
            for path in paths:
                value = torch.tensor([0.9 if path.name.startswith("liked") else 0.1])
                yield path, scores_type(value, value, value * 0)

    return ByName()


@pytest.mark.usefixtures("folders")
def test_schema(pack: Any) -> None:
    schema = pack.schema("GANRMEvaluate")
    assert [socket.id for socket in schema.inputs] == ["reward", "liked", "ordinary"]
    assert [socket.id for socket in schema.outputs] == ["metrics", "report", "auc", "summary"]
    assert schema.is_output_node
    assert all(socket.tooltip for socket in (*schema.inputs, *schema.outputs))


class TestFigures:
    def test_of_pictures_it_has_not_seen(self, evaluate: Any, trained: Any, unseen: Any) -> None:
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
        assert result["report"].shape[0] == 1
        assert result.ui["metrics"] == [metrics]
        assert len(result.ui["images"]) == 1
        json.dumps(result.ui, allow_nan=False)

    def test_of_any_other_reward(self, evaluate: Any, other_reward: Any, unseen: Any) -> None:
        result = evaluate(other_reward, unseen.liked, unseen.ordinary)
        assert result["auc"] == 1.0
        assert json.loads(result["metrics"])["accuracy_threshold"] == 0.5

    def test_of_one_picture_each(self, evaluate: Any, trained: Any, unseen: Any) -> None:
        result = evaluate(trained, unseen.liked[:1], unseen.ordinary[:1])
        json.dumps(result.ui, allow_nan=False)
        assert json.loads(result["metrics"])["n_liked"] == 1

    def test_progress_is_shown(
        self, evaluate: Any, pack: Any, other_reward: Any, unseen: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[tuple[int, int]] = []

        class Bar:
            def __init__(self, _: int) -> None:
                pass

            def update_absolute(self, value: int, total: int, _preview: Any = None) -> None:
                told.append((value, total))

        monkeypatch.setattr(pack.module("nodes.host.progress").comfy.utils, "ProgressBar", Bar)
        evaluate(other_reward, unseen.liked, unseen.ordinary)
        shares = [value / total for value, total in told]
        assert shares == sorted(shares)
        assert shares[-1] == 1

    def test_cancel_passes_through(
        self, evaluate: Any, pack: Any, other_reward: Any, unseen: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class CancelError(Exception):
            pass

        def press() -> None:
            raise CancelError

        management = pack.module("nodes.host.progress").comfy.model_management
        monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", press)
        with pytest.raises(CancelError):
            evaluate(other_reward, unseen.liked, unseen.ordinary)


class TestWarnings:
    def test_the_pictures_of_the_training(self, evaluate: Any, trained: Any, taste: Any, unseen: Any) -> None:
        both = evaluate(trained, taste.liked, taste.ordinary)["summary"]
        assert "! The liked and the ordinary pictures are the very ones" in both
        assert "had not seen" not in both.partition("!")[0]
        liked = evaluate(trained, taste.liked, unseen.ordinary)["summary"]
        assert "! The liked pictures are the very ones" in liked
        part = evaluate(trained, sorted(taste.liked.iterdir())[1:], unseen.ordinary)["summary"]
        assert "the very ones" not in part

    def test_also_under_other_names(
        self, evaluate: Any, trained: Any, taste: Any, unseen: Any, tmp_path: Path
    ) -> None:
        for number, path in enumerate(sorted(taste.liked.iterdir(), reverse=True)):
            (tmp_path / f"{number:02}.png").write_bytes(path.read_bytes())
        paths = sorted(path for path in tmp_path.iterdir() if path.is_file())
        assert "the very ones" in evaluate(trained, paths, unseen.ordinary)["summary"]

    def test_datasets_the_wrong_way_round(self, evaluate: Any, trained: Any, unseen: Any) -> None:
        result = evaluate(trained, unseen.ordinary, unseen.liked)
        assert result["auc"] == 0.0
        assert "wrong way round" in result["summary"]

    def test_files_that_cannot_be_read_are_named(
        self, evaluate: Any, trained: Any, unseen: Any, tmp_path: Path
    ) -> None:
        bad = tmp_path / "bad.png"
        bad.write_bytes(b"no picture")
        result = evaluate(trained, [*unseen.liked, bad], unseen.ordinary)
        assert json.loads(result["metrics"])["n_skipped"] == 1
        assert '! 1 file was skipped: "bad.png"' in result["summary"]


class TestRefusals:
    def test_an_empty_set(self, evaluate: Any, pack: Any, trained: Any, unseen: Any) -> None:
        data_error = pack.module("ganrm_core.utils.errors").DataError
        with pytest.raises(data_error, match="no liked pictures"):
            evaluate(trained, [], unseen.ordinary)
        with pytest.raises(data_error, match="no ordinary pictures"):
            evaluate(trained, unseen.liked, [])

    def test_nothing_that_can_be_read(
        self, evaluate: Any, pack: Any, trained: Any, unseen: Any, tmp_path: Path
    ) -> None:
        bad = tmp_path / "bad.png"
        bad.write_bytes(b"no picture")
        with pytest.raises(
            pack.module("ganrm_core.utils.errors").DataError, match=r"None of the ordinary.*bad\.png"
        ):
            evaluate(trained, unseen.liked, [bad])

    def test_pictures_in_both_sets(self, evaluate: Any, pack: Any, trained: Any, unseen: Any) -> None:
        with pytest.raises(
            pack.module("ganrm_core.utils.errors").DataError, match="both the liked and the ordinary"
        ):
            evaluate(trained, unseen.liked, [*unseen.ordinary, unseen.liked[0]])
