"""Weighted combinations of rewards."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganrm_core.data.border_trim import BorderTrim
from ganrm_core.data.skipped_files import Skipped
from ganrm_core.metrics.calibration import Calibration
from ganrm_core.rewards.base import Reward, Scores
from ganrm_core.rewards.combined import CombinedReward
from ganrm_core.rewards.discriminator.heads import LinearHead, RewardProjectionLayer
from ganrm_core.rewards.discriminator.model_parts import CalibratedHead
from ganrm_core.rewards.discriminator.readout import Readout, SecondLook, default_readout, embedding_readout
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.utils.errors import DataError, ImageError
from ganrm_core.utils.progress import Progress

Pair = list[RewardModel]
Pictures = list[Tensor]
Passes = list[tuple[int, int]]  # (which backbone, how many pictures)

COUNT = 9
RUNS = 2  # of the backbone for a picture: one of itself, one of it blurred


class Plain:
    """A reward that is no model: its score is how bright the picture is."""

    def __init__(self, name: str = "plain", uncertainty: float = 0.0, **thresholds: float) -> None:
        self.name, self.thresholds = name, thresholds
        self.uncertainty = uncertainty

    def score(self, images: Any, prompts: Any = None, progress: Any = lambda _: None) -> Scores:
        progress(Progress("scoring", len(images), len(images)))
        return self._scores([float(image.mean()) for image in images])

    def score_files(self, paths: Sequence[Path], skipped: list[Skipped]) -> Iterator[tuple[Path, Scores]]:
        for path in paths:
            if "dark" in path.name:
                skipped.append(Skipped(path, "too dark"))
            elif "silent" not in path.name and path.suffix == ".png":
                yield path, self._scores([0.25])

    def _scores(self, values: list[float]) -> Scores:
        score = torch.tensor(values)
        return Scores(7 * score, score, torch.full_like(score, self.uncertainty))


def sibling_of(model: RewardModel, seed: int, readout: Readout) -> RewardModel:
    """Another taste on the same backbone."""
    width = readout.width(model.backbone.spec)
    weights = torch.randn(4, width, generator=torch.Generator().manual_seed(seed)) / width
    heads = [LinearHead(torch.zeros(width), weight, torch.tensor(0.1 * seed)) for weight in weights]
    layer = RewardProjectionLayer(heads[0], heads[1:])
    head = CalibratedHead(readout, layer, Calibration(temperature=0.5 + seed, bias=0.3 - seed))
    return RewardModel(model.backbone, head, card={}, name=f"taste {seed}")


@pytest.fixture
def pair(untrained_model: Any, tiny_file: Path) -> list[RewardModel]:
    """Two tastes on backbones of their own with equal weights; they read different taps."""
    first, other = (untrained_model(f"file:{tiny_file}") for _ in range(2))
    assert first.backbone is not other.backbone
    every_depth = default_readout(first.backbone.spec)
    every_depth = replace(every_depth, second_look=SecondLook("blurred", every_depth.taps))
    return [sibling_of(first, 1, every_depth), sibling_of(other, 2, embedding_readout(other.backbone.spec))]


@pytest.fixture
def pictures() -> list[Tensor]:
    rng = torch.Generator().manual_seed(8)
    return [torch.rand(20 + i, 30 - i, 3, generator=rng) for i in range(COUNT)]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> list[tuple[int, int]]:
    """(which backbone, how many pictures) of every pass from now on."""
    seen: list[tuple[int, int]] = []
    for number, model in enumerate(pair):
        features = model.backbone.features

        def counted(pixels: Tensor, last: str, number: int = number, features: Any = features) -> Any:
            seen.append((number, len(pixels)))
            return features(pixels, last)

        monkeypatch.setattr(model.backbone, "features", counted)
    return seen


class TestPooling:
    @pytest.mark.parametrize("weights", [(1.0, 1.0), (2.0, 0.5), (1.0, -3.0), (-1.0, 0.0)])
    def test_the_weighted_mean_of_log_odds(
        self, pair: Pair, pictures: Pictures, weights: tuple[float, float]
    ) -> None:
        odds, variance = torch.zeros(COUNT), torch.zeros(COUNT)
        for model, weight in zip(pair, weights, strict=True):
            scores, temperature = model.score(pictures), model.calibration.temperature
            odds += weight * (scores.logit / temperature + model.calibration.bias)
            variance += (weight * scores.uncertainty / temperature) ** 2
        total = sum(abs(weight) for weight in weights)
        expected, spread = odds / total, variance.sqrt() / total
        found = CombinedReward(pair, weights).score(pictures)
        for ours, theirs in (
            (found.logit, expected), (found.score, torch.sigmoid(expected)), (found.uncertainty, spread)
        ):  # fmt: skip
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
            assert not ours.is_inference()
        alone = CombinedReward(pair, weights).score(pictures[-1])
        torch.testing.assert_close(alone.logit, found.logit[-1:], atol=1e-4, rtol=1e-4)

    def test_rewards_that_are_no_models(self) -> None:
        bright = [torch.full((4, 4, 3), level) for level in (0.0, 0.2, 0.5, 1.0)]
        found = CombinedReward([Plain(uncertainty=0.3), Plain(uncertainty=0.4)]).score(bright)
        torch.testing.assert_close(found.score, torch.tensor([0.0, 0.2, 0.5, 1.0]))
        torch.testing.assert_close(found.uncertainty, torch.full((4,), 0.25))
        assert torch.isfinite(found.logit).all(), "saturated scores too"
        assert found.logit[-1] > 10 > -10 > found.logit[0]

    def test_saturated_models_are_still_ranked(self, pair: Pair, pictures: Pictures) -> None:
        for model in pair:
            model.calibration = Calibration(temperature=1e-2, bias=1e3)
        assert set(pair[0].score(pictures).score.tolist()) == {1.0}
        assert len(set(CombinedReward(pair).score(pictures).logit.tolist())) == COUNT

    def test_thresholds(self) -> None:
        for first, second, weights, expected in (
            ({"balanced": 0.6, "fpr_5": 0.9}, {"balanced": 0.6}, None, 0.6),
            ({"balanced": 0.8}, {"balanced": 0.2}, None, 0.5),
            ({"balanced": 0.8}, {"balanced": 0.8}, (1, -1), 0.5),
            ({"balanced": 0.6}, {}, None, None),
            ({"balanced": 0.6}, {}, (1, 0), 0.6),
        ):
            found = CombinedReward([Plain(**first), Plain(**second)], weights)
            assert isinstance(found, Reward)
            assert found.thresholds == ({} if expected is None else {"balanced": pytest.approx(expected)})


class TestEachIsComputedOnce:
    def test_pictures_and_files(self, pair: Pair, passes: Passes, make_folder: Any, tmp_path: Path) -> None:
        paths = sorted(make_folder(tmp_path / "p", "liked", 5).iterdir())
        combined = CombinedReward(pair, [1, -2])
        by_file = dict(combined.score_files([*paths, paths[0]], []))
        assert list(by_file) == paths
        assert sum(count for _, count in passes) == RUNS * 6
        found = combined.score(paths)
        assert sum(count for _, count in passes) == RUNS * 11
        assert {which for which, _ in passes} == {0}
        torch.testing.assert_close(torch.cat([by_file[path].logit for path in paths]), found.logit)
        assert list(combined.score_files([], [])) == []

    def test_models_with_other_input_run_their_own_backbone(
        self, pair: Pair, pictures: Pictures, passes: Passes
    ) -> None:
        framed = [torch.nn.functional.pad(picture, (0, 0, 3, 3, 2, 2)) for picture in pictures]
        pair[0].border_trim = BorderTrim(trim=0.2)
        CombinedReward(pair).score(framed)
        assert {which for which, _ in passes} == {0, 1}
        passes.clear()
        pair[1].border_trim = BorderTrim(trim=0.2)
        found = CombinedReward(pair).score(framed)
        assert {which for which, _ in passes} == {0}
        torch.testing.assert_close(found.logit, CombinedReward(pair).score(pictures).logit)
        pair[1].adapter = object()  # type: ignore[assignment]
        CombinedReward(pair).score(pictures)
        assert {which for which, _ in passes} == {0, 1}


class TestFiles:
    def test_one_that_any_part_cannot_read_is_left_out(
        self, pair: Pair, make_folder: Any, tmp_path: Path
    ) -> None:
        folder = make_folder(tmp_path / "p", "liked", 4)
        (folder / "liked00.png").rename(folder / "dark.png")
        (folder / "liked01.png").rename(folder / "silent.png")
        (folder / "liked005.png").write_bytes(b"no picture")
        skipped: list[Skipped] = []
        found = list(CombinedReward([*pair, Plain()]).score_files(sorted(folder.iterdir()), skipped))
        assert [path.name for path, _ in found] == ["liked02.png", "liked03.png"]
        assert [entry.path.name for entry in skipped] == ["dark.png", "liked005.png", "silent.png"]
        assert [skipped[place].reason for place in (0, 2)] == ["too dark", "it was given no score"]
        with pytest.raises(ImageError, match=r"liked005\.png"):
            CombinedReward(pair).score([folder / "liked005.png"])

    def test_stopping_early_ends_the_threads(self, pair: Pair, make_folder: Any, tmp_path: Path) -> None:
        paths = sorted(make_folder(tmp_path / "p", "liked", 5).iterdir()) * 8
        before = threading.active_count()
        stream: Any = CombinedReward([pair[0], Plain()]).score_files(paths, [])
        next(stream)
        assert threading.active_count() > before
        stream.close()
        assert threading.active_count() == before


def test_progress_runs_from_nothing_to_all_and_cancels(pair: Pair, pictures: Pictures) -> None:
    steps: list[Progress] = []
    CombinedReward([*pair, Plain()]).score(pictures, progress=steps.append)
    done = [step.done for step in steps]
    assert {step.total for step in steps} == {2 * COUNT}
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, 2 * COUNT)

    def cancel(step: Progress) -> None:
        if step.done > COUNT:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CombinedReward([*pair, Plain()]).score(pictures, progress=cancel)


def test_weights_that_cannot_be_used() -> None:
    for weights, message in (
        ([1.0], "2 rewards but 1 weights"),
        ([0.0, 0.0], "No reward with a weight other than 0"),
        ([1.0, math.nan], "The weight of plain is nan"),
        ([math.inf, 1.0], "The weight of plain is inf"),
    ):
        with pytest.raises(DataError, match=message):
            CombinedReward([Plain(), Plain()], weights)
    with pytest.raises(DataError, match="No reward"):
        CombinedReward([])


def test_the_log_odds_of_a_calibrated_reward_are_read_from_its_logit() -> None:
    """Its score is 1.0 in float32 from a logit of 17 on."""

    class Sure(Plain):
        calibration = Calibration()

        def _scores(self, values: list[float]) -> Scores:
            logit = torch.tensor(values) + 30
            return Scores(logit, torch.sigmoid(logit), torch.zeros(len(values)))

    combined = CombinedReward([Sure(), Plain()], [1, 0.5])
    images = [torch.full((3, 4, 4), level) for level in (0.25, 0.5)]
    plain = torch.tensor([0.25, 0.5]).logit()
    assert torch.allclose(combined.score(images).logit, (torch.tensor([30.25, 30.5]) + plain / 2) / 1.5)
