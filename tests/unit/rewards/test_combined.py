"""Several rewards that judge together."""

from __future__ import annotations

import math
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
from ganrm_core.rewards.shared_backbone import SharedScoring
from ganrm_core.utils.errors import DataError, ImageError
from ganrm_core.utils.progress import Progress

COUNT = 11
RUNS = 2  # of the backbone for a picture: one of itself, one of it blurred


class Plain:
    """A reward that is no model: its score is how bright the picture is."""

    def __init__(self, name: str = "plain", uncertainty: float = 0.0, **thresholds: float) -> None:
        self.name, self.thresholds = name, thresholds
        self.uncertainty = uncertainty
        self.asked: list[Any] = []

    def score(self, images: Any, prompts: Any = None, progress: Any = lambda _: None) -> Scores:
        self.asked.append(prompts)
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


def sibling_of(
    model: RewardModel, seed: int, readout: Readout | None = None, *, siblings: int = 3, **more: Any
) -> RewardModel:
    """Another taste on the same backbone."""
    chosen = readout or default_readout(model.backbone.spec)
    width = chosen.width(model.backbone.spec)
    rng = torch.Generator().manual_seed(seed)
    heads = [
        LinearHead(torch.zeros(width), torch.randn(width, generator=rng) / width, torch.tensor(0.1 * seed))
        for _ in range(siblings + 1)
    ]
    layer = RewardProjectionLayer(heads[0], heads[1:])
    calibration = Calibration(temperature=0.5 + seed, bias=0.3 - seed)
    head = CalibratedHead(chosen, layer, calibration)
    return RewardModel(model.backbone, head, card={}, name=f"taste {seed}", **more)


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
def passes(monkeypatch: pytest.MonkeyPatch, pair: list[RewardModel]) -> list[tuple[int, int]]:
    """(which backbone, how many pictures) of every pass from now on."""
    seen: list[tuple[int, int]] = []
    for number, model in enumerate(pair):
        features = model.backbone.features

        def counting(
            pixels: Tensor, last: str, number: int = number, features: Any = features
        ) -> list[Tensor]:
            seen.append((number, len(pixels)))
            return list(features(pixels, last))

        monkeypatch.setattr(model.backbone, "features", counting)
    return seen


def log_odds(model: RewardModel, scores: Scores) -> tuple[Tensor, Tensor]:
    temperature, bias = model.calibration.temperature, model.calibration.bias
    return scores.logit.double() / temperature + bias, scores.uncertainty.double() / temperature


class TestWhatItGives:
    @pytest.mark.parametrize("weights", [(1.0, 1.0), (2.0, 0.5), (1.0, -3.0), (-1.0, 0.0)])
    def test_the_weighted_mean_of_log_odds(
        self, pair: list[RewardModel], pictures: list[Tensor], weights: tuple[float, float]
    ) -> None:
        odds, spreads = zip(*(log_odds(model, model.score(pictures)) for model in pair), strict=True)
        total = sum(abs(weight) for weight in weights)
        expected = sum(w * o for w, o in zip(weights, odds, strict=True)) / total
        spread = sum((w * s) ** 2 for w, s in zip(weights, spreads, strict=True)) ** 0.5 / total
        found = CombinedReward(pair, weights).score(pictures)
        torch.testing.assert_close(found.logit, expected.float(), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.score, torch.sigmoid(expected).float(), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.uncertainty, spread.float(), atol=1e-4, rtol=1e-4)
        assert found.logit.dtype == found.score.dtype == found.uncertainty.dtype == torch.float32
        assert not found.logit.is_inference()

    def test_those_who_agree_keep_their_score(self, pair: list[RewardModel], pictures: list[Tensor]) -> None:
        alone = pair[0].score(pictures)
        for weights in ((1, 1), (0.2, 5)):
            found = CombinedReward([pair[0], pair[0]], weights).score(pictures)
            torch.testing.assert_close(found.score, alone.score, atol=1e-5, rtol=1e-5)

    def test_a_picture_does_not_depend_on_the_others(
        self, pair: list[RewardModel], pictures: list[Tensor]
    ) -> None:
        combined = CombinedReward(pair)
        together = combined.score(pictures)
        for place in (0, COUNT - 1):
            alone = combined.score(pictures[place])
            torch.testing.assert_close(alone.logit, together.logit[place : place + 1], atol=1e-4, rtol=1e-4)

    def test_rewards_that_are_no_models(self) -> None:
        bright = [torch.full((4, 4, 3), level) for level in (0.2, 0.5, 0.8)]
        found = CombinedReward([Plain(uncertainty=0.3), Plain(uncertainty=0.4)]).score(bright)
        torch.testing.assert_close(found.score, torch.tensor([0.2, 0.5, 0.8]))
        torch.testing.assert_close(found.uncertainty, torch.full((3,), 0.25))

    def test_a_saturated_score_stays_finite(self) -> None:
        ends = [torch.zeros(4, 4, 3), torch.ones(4, 4, 3)]
        found = CombinedReward([Plain(), Plain()], [1, 0.5]).score(ends)
        assert torch.isfinite(found.logit).all()
        assert found.logit[1] > 10 > -10 > found.logit[0]

    def test_saturated_models_are_still_ranked(self, pair: list[RewardModel], pictures: list[Tensor]) -> None:
        for model in pair:
            model.calibration = Calibration(temperature=1e-2, bias=1e3)
        assert set(pair[0].score(pictures).score.tolist()) == {1.0}
        assert len(set(CombinedReward(pair).score(pictures).logit.tolist())) == COUNT

    def test_it_follows_the_protocol(self, pair: list[RewardModel]) -> None:
        assert isinstance(CombinedReward(pair), Reward)

    def test_thresholds(self) -> None:
        def of(*each: Plain, weights: tuple[float, ...] | None = None) -> Any:
            return CombinedReward(each, weights).thresholds

        assert of(Plain(balanced=0.6, fpr_5=0.9), Plain(balanced=0.6)) == {"balanced": pytest.approx(0.6)}
        assert of(Plain(balanced=0.8), Plain(balanced=0.2)) == {"balanced": pytest.approx(0.5)}
        assert of(Plain(balanced=0.8), Plain(balanced=0.8), weights=(1, -1)) == {
            "balanced": pytest.approx(0.5)
        }
        assert of(Plain(balanced=0.6), Plain()) == {}
        assert of(Plain(balanced=0.6), Plain(), weights=(1, 0)) == {"balanced": pytest.approx(0.6)}

    @pytest.mark.parametrize(
        ("weights", "name"),
        [
            ((1, 1, 1), "a + b + c"),
            ((2, -1, -0.5), "2 a − b − 0.5 c"),
            ((-1, 0, 1), "−a + c"),
            ((0, 0, 0.25), "0.25 c"),
        ],
    )
    def test_names(self, weights: tuple[float, ...], name: str) -> None:
        rewards = [Plain(letter) for letter in "abc"]
        assert CombinedReward(rewards, weights).name == name
        assert CombinedReward(rewards, weights, name=" mine ").name == "mine"


class TestEachIsComputedOnce:
    def test_pictures(
        self, pair: list[RewardModel], pictures: list[Tensor], passes: list[tuple[int, int]]
    ) -> None:
        CombinedReward(pair).score(pictures)
        assert {which for which, _ in passes} == {0}
        assert sum(count for _, count in passes) == RUNS * COUNT

    def test_files(
        self, pair: list[RewardModel], passes: list[tuple[int, int]], make_folder: Any, tmp_path: Path
    ) -> None:
        paths = sorted(make_folder(tmp_path / "p", "liked", 5).iterdir())
        assert [path for path, _ in CombinedReward(pair).score_files(paths, [])] == paths
        assert {which for which, _ in passes} == {0}
        assert sum(count for _, count in passes) == RUNS * 5

    def test_tastes_with_different_second_looks_share_the_first(
        self, untrained_model: Any, pictures: list[Tensor], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = untrained_model("efficientnet_lite0")
        small, blurred = (
            sibling_of(first, seed, default_readout(first.backbone.spec, kind))
            for seed, kind in enumerate(("smaller", "blurred"))
        )
        expected = [model.score(pictures[:2]).logit for model in (small, blurred)]
        seen: list[tuple[int, int]] = []
        features = first.backbone.features

        def noting(pixels: Tensor, last: str) -> list[Tensor]:
            seen.append((len(pixels), pixels.shape[-1]))
            return list(features(pixels, last))

        monkeypatch.setattr(first.backbone, "features", noting)
        both = SharedScoring([small, blurred]).score(pictures[:2])
        for logit, scores in zip(expected, both, strict=True):
            torch.testing.assert_close(scores.logit, logit)
        assert seen == [(2, 224), (2, 96), (2, 224)]

    def test_equal_readouts_are_read_once(self, pair: list[RewardModel], pictures: list[Tensor]) -> None:
        same = sibling_of(pair[0], 5, pair[0].reader.readout)
        expected = [model.score(pictures).logit for model in (pair[0], same)]
        combined = CombinedReward([pair[0], same])
        (group,) = combined._groups
        assert group._shared is not None
        assert group._shared._reader.readout.width(same.backbone.spec) == len(same.layer.head.mean)
        for model, logit, scores in zip(
            (pair[0], same), expected, group._shared.score(pictures), strict=True
        ):
            torch.testing.assert_close(scores.logit, logit, msg=model.name)

    def test_what_sees_other_numbers_runs_by_itself(
        self, pair: list[RewardModel], pictures: list[Tensor], passes: list[tuple[int, int]]
    ) -> None:
        framed = [torch.nn.functional.pad(picture, (0, 0, 3, 3, 2, 2)) for picture in pictures]
        pair[0].border_trim = BorderTrim(trim=0.2)
        CombinedReward(pair).score(framed)
        assert {which for which, _ in passes} == {0, 1}
        pair[1].border_trim = BorderTrim(trim=0.2)
        passes.clear()
        found = CombinedReward(pair).score(framed)
        assert {which for which, _ in passes} == {0}
        torch.testing.assert_close(found.logit, CombinedReward(pair).score(pictures).logit)

    def test_an_adapted_backbone_is_another(
        self, pair: list[RewardModel], pictures: list[Tensor], passes: list[tuple[int, int]]
    ) -> None:
        pair[1].adapter = object()  # type: ignore[assignment]
        CombinedReward(pair).score(pictures)
        assert {which for which, _ in passes} == {0, 1}

    def test_weight_nothing_is_never_asked(self, pictures: list[Tensor]) -> None:
        asked, idle = Plain(), Plain()
        CombinedReward([asked, idle], [1, 0]).score(pictures)
        assert (len(asked.asked), len(idle.asked)) == (1, 0)

    def test_a_combination_of_combinations(
        self, pair: list[RewardModel], pictures: list[Tensor], passes: list[tuple[int, int]]
    ) -> None:
        plain = Plain()
        inner = CombinedReward([pair[1], plain], [1, 3], name="inner")
        outer = CombinedReward([pair[0], inner], [2, -2])
        assert outer.rewards == (pair[0], pair[1], plain)
        assert outer.shares == (0.5, -0.125, -0.375)
        assert outer.name == "2 taste 1 − 2 (inner)"
        outer.score(pictures)
        assert {which for which, _ in passes} == {0}
        torch.testing.assert_close(
            outer.score(pictures).logit,
            CombinedReward([pair[0], pair[1], plain], [4, -1, -3]).score(pictures).logit,
        )

    def test_a_host_brings_each_shared_backbone_once(
        self, pair: list[RewardModel], pictures: list[Tensor]
    ) -> None:
        class Wrapped(Plain):
            def __init__(self, model: RewardModel) -> None:
                super().__init__(model.name)
                self.model = model

        brought: list[tuple[str, int]] = []
        rewards = [Wrapped(model) for model in pair]
        combined = CombinedReward(
            [*rewards, Plain()],
            model_of=lambda reward: getattr(reward, "model", None),
            to_device=lambda reward, count: brought.append((reward.name, count)),
        )
        combined.score(pictures)
        assert brought == [("taste 1", COUNT)]
        assert all(not reward.asked for reward in rewards)
        assert [[reward.name for reward in group] for group in combined.shared] == [["taste 1", "taste 2"]]


class TestFiles:
    def test_they_score_as_pictures_do(
        self, pair: list[RewardModel], make_folder: Any, tmp_path: Path
    ) -> None:
        paths = sorted(make_folder(tmp_path / "p", "liked", 5).iterdir())
        combined = CombinedReward(pair, [1, -2])
        by_file = dict(combined.score_files([*paths, paths[0]], []))
        torch.testing.assert_close(
            torch.cat([by_file[path].logit for path in paths]), combined.score(paths).logit
        )

    def test_what_one_part_cannot_read_is_left_out_for_all(
        self, pair: list[RewardModel], make_folder: Any, tmp_path: Path
    ) -> None:
        folder = make_folder(tmp_path / "p", "liked", 4)
        (folder / "liked00.png").rename(folder / "dark.png")
        (folder / "liked01.png").rename(folder / "silent.png")
        (folder / "liked005.png").write_bytes(b"no picture")
        paths = sorted(folder.iterdir())
        skipped: list[Skipped] = []
        found = list(CombinedReward([*pair, Plain()]).score_files(paths, skipped))
        assert [path.name for path, _ in found] == ["liked02.png", "liked03.png"]
        assert [(entry.path.name, entry.reason) for entry in skipped if "005" not in entry.path.name] == [
            ("dark.png", "too dark"),
            ("silent.png", "it was given no score"),
        ]
        assert len(skipped) == 3

    def test_none(self, pair: list[RewardModel]) -> None:
        assert list(CombinedReward(pair).score_files([], [])) == []

    def test_stopping_early_ends_the_threads(
        self, pair: list[RewardModel], make_folder: Any, tmp_path: Path
    ) -> None:
        import threading

        paths = sorted(make_folder(tmp_path / "p", "liked", 5).iterdir()) * 8
        before = threading.active_count()
        stream = CombinedReward([pair[0], Plain()]).score_files(paths, [])
        next(stream)
        assert threading.active_count() > before
        stream.close()  # type: ignore[attr-defined]
        assert threading.active_count() == before

    def test_a_bad_picture_is_named(self, pair: list[RewardModel], tmp_path: Path) -> None:
        (tmp_path / "broken.png").write_bytes(b"no picture")
        with pytest.raises(ImageError, match=r"broken\.png"):
            CombinedReward(pair).score([tmp_path / "broken.png"])


class TestProgress:
    def test_it_runs_from_nothing_to_all(self, pair: list[RewardModel], pictures: list[Tensor]) -> None:
        for rewards, total in ((pair, COUNT), ([*pair, Plain()], 2 * COUNT)):
            steps: list[Progress] = []
            CombinedReward(rewards).score(pictures, progress=steps.append)
            done = [step.done for step in steps]
            assert {step.total for step in steps} == {total}
            assert done == sorted(done)
            assert (done[0], done[-1]) == (0, total)

    def test_a_cancel_passes_through(self, pair: list[RewardModel], pictures: list[Tensor]) -> None:
        class Cancelled(BaseException):
            pass

        def cancel(step: Progress) -> None:
            if step.done > COUNT:
                raise Cancelled

        with pytest.raises(Cancelled):
            CombinedReward([*pair, Plain()]).score(pictures, progress=cancel)

    def test_prompts_reach_those_who_read_them(self, pair: list[RewardModel], pictures: list[Tensor]) -> None:
        plain = Plain()
        CombinedReward([*pair, plain]).score(pictures, ["a cat"] * COUNT)
        assert plain.asked == [["a cat"] * COUNT]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "2 rewards but 1 weights"),
        ([0.0, 0.0], "No reward with a weight other than 0"),
        ([1.0, math.nan], "The weight of plain is nan"),
        ([math.inf, 1.0], "The weight of plain is inf"),
    ],
)
def test_weights_that_cannot_be_used(weights: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        CombinedReward([Plain(), Plain()], weights)


def test_nothing_to_combine() -> None:
    with pytest.raises(DataError, match="No reward"):
        CombinedReward([])
