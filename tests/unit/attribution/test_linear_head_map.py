"""Class activation maps of a linear head."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ganrm_core.attribution.linear_head_map import head_map
from ganrm_core.attribution.window_map import reward_map
from ganrm_core.data.border_trim import BorderTrim
from ganrm_core.metrics.calibration import Calibration
from ganrm_core.rewards.discriminator.heads import LinearHead, PaperHead, RewardProjectionLayer
from ganrm_core.rewards.discriminator.model_parts import CalibratedHead
from ganrm_core.rewards.discriminator.readout import embedding_readout
from ganrm_core.rewards.discriminator.reward_model import RewardModel


@pytest.fixture(scope="module")
def transformer(untrained_model: Any, tiny_transformer: str) -> Any:
    return untrained_model(tiny_transformer)


@pytest.fixture(scope="module")
def convolutional(untrained_model: Any) -> Any:
    return untrained_model("efficientnet_lite0")


def noise(seed: int, height: int, width: int) -> Tensor:
    coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0].clamp(0, 1)


@pytest.mark.parametrize("name", ["transformer", "convolutional"])
def test_its_mean_is_the_logit_up_to_a_constant(name: str, request: pytest.FixtureRequest) -> None:
    model: RewardModel = request.getfixturevalue(name)
    head, size = model.layer.head, model.backbone.spec.input_size
    assert isinstance(head, LinearHead)
    constant = float(head.mean @ head.weight - head.bias)
    for seed in range(2):
        image = noise(seed, size, size)
        logit_map = head_map(model, image)
        assert logit_map is not None
        assert logit_map.shape == (size, size)
        assert float(logit_map.mean()) == pytest.approx(
            float(model.score([image]).logit) + constant, abs=0.06
        )


@pytest.mark.parametrize("trim", [BorderTrim(trim=0.3), BorderTrim(frame=0.25)])
def test_a_border_that_scoring_trims_gets_the_mean(
    transformer: RewardModel, trim: BorderTrim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transformer, "border_trim", trim)
    image = noise(1, 60, 80)
    image[:, :, :16] = image[:, :, 64:] = 0.5
    logit_map = head_map(transformer, image)
    assert logit_map is not None
    assert float(logit_map[:, :16].max() - logit_map[:, :16].min()) == 0
    assert float(logit_map[:, 16:64].max() - logit_map[:, 16:64].min()) > 0


def test_a_head_that_is_not_linear_or_sees_no_grid_has_none(transformer: RewardModel) -> None:
    spec = transformer.backbone.spec
    readout = embedding_readout(spec)
    width = readout.width(spec)
    linear = LinearHead(torch.zeros(width), torch.zeros(width), torch.zeros(()))
    for head in (PaperHead(width), linear):
        calibrated = CalibratedHead(
            readout=readout, layer=RewardProjectionLayer(head), calibration=Calibration()
        )
        model = RewardModel(transformer.backbone, calibrated, card={})
        assert head_map(model, torch.rand(3, 40, 40)) is None
    assert reward_map(model, torch.rand(3, 40, 40)).shape == (40, 40), "by windows all the same"


def test_it_is_added_to_the_window_map_with_its_standard_deviation(transformer: RewardModel) -> None:
    image = noise(2, 48, 64)
    windows = reward_map(transformer, image, model_of=lambda _: None)
    both = reward_map(transformer, image)
    assert float(both.mean()) == pytest.approx(float(windows.mean()), abs=1e-4)
    assert float((both - windows).std()) == pytest.approx(float(windows.std()), rel=0.01)
