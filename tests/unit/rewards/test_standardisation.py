"""Rewards on the scale of given pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from unit_support.rewards import AsAsked, Brightness, grey

from ganrm_core.data.picture_prompt import PicturePrompt
from ganrm_core.metrics.calibration import Calibration
from ganrm_core.rewards.base import Scores
from ganrm_core.rewards.combined import CombinedReward, calibration_by, model_itself
from ganrm_core.rewards.standardisation import (
    MOST,
    Standard,
    sample_of,
    standard_of,
    standards_on_files,
    standards_on_images,
)
from ganrm_core.utils.errors import DataError

LEVELS = (0.1, 0.3, 0.5, 0.9, 0.4)
CALIBRATION = calibration_by(model_itself)


class Wide(Brightness):
    """A judge whose log-odds spread a hundred times as far as brightness itself, around 40."""

    name = "wide"
    calibration = Calibration()

    def __init__(self, sign: float = 1.0, uncertainty: float = 0.0) -> None:
        self._sign, self._uncertainty = sign, uncertainty

    def score(self, images: Any, *rest: Any, **named: Any) -> Scores:
        logit = 40 + self._sign * 100 * super().score(images, *rest, **named).logit
        return Scores(logit, torch.sigmoid(logit), torch.full_like(logit, self._uncertainty))


class Narrow(Wide):
    """The other way round, and narrow."""

    name = "narrow"

    def score(self, images: Any, *rest: Any, **named: Any) -> Scores:
        logit = -(super().score(images, *rest, **named).logit - 40) / 1000
        return Scores(logit, torch.sigmoid(logit), torch.zeros_like(logit))


def measured(*rewards: Any, images: Tensor | None = None) -> list[Standard]:
    return standards_on_images(
        rewards, grey(*LEVELS) if images is None else images, calibration_of=CALIBRATION
    )


def test_the_standard_is_mean_and_deviation_of_the_log_odds() -> None:
    (found,) = measured(Wide())
    levels = torch.tensor(LEVELS)
    assert (found.centre, found.spread) == (
        pytest.approx(float(40 + 100 * levels.mean()), rel=1e-5),
        pytest.approx(float(100 * levels.std()), rel=1e-5),
    )


def test_weights_mean_what_they_say() -> None:
    judges = [Wide(), Narrow()]
    images = grey(0.2, 0.7)
    as_they_are = CombinedReward(judges).score(images).logit
    assert as_they_are[1] - as_they_are[0] > 20, "the wide one decides alone"
    for weight, sign in ((1.0, 0), (0.5, 1), (2.0, -1)):
        combined = CombinedReward(judges, [1.0, weight], standards=measured(*judges))
        low, high = combined.score(images).logit.tolist()
        expected = sign * (0.5 / float(torch.tensor(LEVELS).std())) * abs(1 - weight) / (1 + weight)
        assert high - low == pytest.approx(expected, abs=1e-4)
    mean = grey(float(torch.tensor(LEVELS).mean()))
    assert float(combined.score(mean).score) == pytest.approx(0.5, abs=1e-4)


def test_a_score_never_depends_on_the_batch() -> None:
    judges = [Wide(), Narrow()]
    combined = CombinedReward(judges, [1.0, 2.0], standards=measured(*judges))
    together = combined.score(grey(*LEVELS)).logit
    alone = torch.cat([combined.score(grey(level)).logit for level in LEVELS])
    assert torch.equal(together, alone)


def test_without_pictures_nothing_changes() -> None:
    judges = [Wide(), Brightness()]
    combined = CombinedReward(judges, [1.0, -0.5])
    odds = [
        judges[0].score(grey(*LEVELS)).logit.double(),
        judges[1].score(grey(*LEVELS)).score.double().logit(),
    ]
    assert torch.equal(
        combined.score(grey(*LEVELS)).logit, ((1 / 1.5) * odds[0] - (0.5 / 1.5) * odds[1]).float()
    )
    assert not combined.is_standardised


def test_uncertainty_and_threshold_are_on_the_same_scale() -> None:
    judge = Wide(uncertainty=7.0)
    judge.thresholds = {"balanced": 0.8}
    combined = CombinedReward([judge], standards=[Standard(1.0, 14.0)])
    assert float(combined.score(grey(0.5)).uncertainty) == pytest.approx(0.5)
    odds = (float(torch.tensor(0.8).logit()) - 1) / 14
    assert combined.thresholds["balanced"] == pytest.approx(float(torch.tensor(odds).sigmoid()))


def test_a_combination_inside_is_measured_as_a_whole() -> None:
    inner = CombinedReward([Wide(), Narrow()], [1.0, -3.0], standards=measured(Wide(), Narrow()))
    outer = CombinedReward(
        [inner, Brightness()], [2.0, 1.0], standards=[Standard(0.7, 0.2), Standard(-1.0, 3.0)]
    )
    images = grey(*LEVELS)
    expected = (
        2 * (inner.score(images).logit.double() - 0.7) / 0.2
        + (Brightness().score(images).score.double().logit() + 1) / 3
    ) / 3
    assert torch.allclose(outer.score(images).logit.double(), expected, atol=1e-5)
    assert [reward.name for reward in outer.rewards] == ["wide", "narrow", "brightness"]
    again = CombinedReward([outer, inner])
    assert torch.allclose(
        again.score(images).logit, (outer.score(images).logit + inner.score(images).logit) / 2
    )


@pytest.mark.parametrize(
    ("odds", "message"),
    [
        ([1.0, 2.0, 3.0], "4 pictures or more, better 16; 3 could be scored"),
        ([1.0, 2.0, 3.0, float("-inf")], "3 could be scored"),
        ([40.0] * 9, "judge gives all 9 pictures the same score"),
    ],
)
def test_pictures_that_show_no_scale(odds: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        standard_of("judge", torch.tensor(odds))


def test_many_pictures_are_sampled_evenly() -> None:
    assert sample_of(range(5)) == [0, 1, 2, 3, 4]
    found = sample_of(range(1000))
    assert (len(found), found[0]) == (MOST, 0)
    assert {found[i + 1] - found[i] for i in range(MOST - 1)} == {15, 16}


class TestFiles:
    @pytest.fixture
    def paths(self, tmp_path: Path) -> list[Path]:
        paths = [tmp_path / f"{number}.png" for number in range(6)]
        for number, path in enumerate(paths):
            Image.new("L", (8, 8), 30 * number).save(path)
        return paths

    def test_they_give_the_scale_of_the_same_pictures(self, paths: list[Path]) -> None:
        paths[1].write_bytes(b"no picture")
        prompts = {path: PicturePrompt("" if path == paths[2] else "bright") for path in paths}
        rewards = [Brightness(), AsAsked()]
        steps: list[Any] = []
        found, skipped = standards_on_files(
            rewards, paths, prompts.__getitem__, steps.append, calibration_of=CALIBRATION
        )
        levels = [torch.full((8, 8, 3), 30 * number / 255) for number in range(6)]
        for reward, standard, places in zip(rewards, found, ((0, 2, 3, 4, 5), (0, 3, 4, 5)), strict=True):
            images = [levels[place] for place in places]
            (same,) = standards_on_images(
                [reward], images, ["bright"] * len(images), calibration_of=CALIBRATION
            )
            assert standard.centre == pytest.approx(same.centre, abs=1e-5)
            assert standard.spread == pytest.approx(same.spread, abs=1e-5)
        assert {entry.path for entry in skipped} == {paths[1], paths[2]}
        done = [step.done for step in steps]
        assert done == sorted(done)

    def test_files_without_any_prompt(self, paths: list[Path]) -> None:
        with pytest.raises(
            DataError, match="No picture could be judged by its prompt, so its scale is not known"
        ):
            standards_on_files([AsAsked()], paths, calibration_of=CALIBRATION)
