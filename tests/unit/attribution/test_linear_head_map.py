"""A linear head's own sum over places."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ganrm_core.attribution import linear_head_map as module
from ganrm_core.attribution.linear_head_map import head_map
from ganrm_core.attribution.window_map import reward_map
from ganrm_core.data.border_trim import BorderTrim
from ganrm_core.metrics.calibration import Calibration
from ganrm_core.rewards.discriminator.heads import LinearHead, PaperHead, RewardProjectionLayer
from ganrm_core.rewards.discriminator.model_parts import CalibratedHead
from ganrm_core.rewards.discriminator.readout import embedding_readout
from ganrm_core.rewards.discriminator.reward_model import RewardModel


@pytest.fixture(params=["efficientnet_lite0", "transformer"])
def model(request: pytest.FixtureRequest, untrained_model: Any, tiny_transformer: str) -> RewardModel:
    made: RewardModel = untrained_model(
        tiny_transformer if request.param == "transformer" else "efficientnet_lite0"
    )
    return made


def test_its_mean_is_the_logit_but_for_a_constant(model: RewardModel) -> None:
    head = model.layer.head
    assert isinstance(head, LinearHead)
    size = model.backbone.spec.input_size
    for seed in range(3):
        image = torch.rand(3, 5, 5, generator=torch.Generator().manual_seed(seed))
        image = torch.nn.functional.interpolate(image[None], (size, size), mode="bicubic")[0].clamp(0, 1)
        with torch.inference_mode():
            places = module._places(model, head.weight, image[None])
        expected = float(model.score([image]).logit) - float(head.bias) + float(head.mean @ head.weight)
        assert float(places.mean()) == pytest.approx(expected, abs=0.02)
        whole = head_map(model, image)
        assert whole is not None
        assert whole.shape == (size, size)


@pytest.mark.parametrize("path", [BorderTrim(trim=0.3), BorderTrim(frame=0.25)])
def test_a_border_that_scoring_cuts_off_tells_nothing(model: RewardModel, path: BorderTrim) -> None:
    model.border_trim = path
    image = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(1))
    image[:, :, :16] = image[:, :, 64:] = 0.5
    places = head_map(model, image)
    assert places is not None
    assert places.shape == (60, 80)
    assert float(places[:, :16].max() - places[:, :16].min()) == 0
    assert float(places[:, 16:64].max() - places[:, 16:64].min()) > 0


def test_a_head_that_sees_the_picture_as_a_whole_has_none(model: RewardModel) -> None:
    spec = model.backbone.spec
    readout = embedding_readout(spec)
    layer = RewardProjectionLayer(PaperHead(readout.width(spec)))
    paper = RewardModel(model.backbone, CalibratedHead(readout, layer, Calibration()), card={}, name="paper")
    assert head_map(paper, torch.rand(3, 40, 40)) is None
    linear = RewardProjectionLayer(LinearHead(*(torch.zeros(readout.width(spec)),) * 2, torch.zeros(())))
    pooled = RewardModel(
        model.backbone, CalibratedHead(readout, linear, Calibration()), card={}, name="pooled"
    )
    assert head_map(pooled, torch.rand(3, 40, 40)) is None
    # Windows can be asked all the same.
    assert reward_map(paper, torch.rand(3, 40, 40)).shape == (40, 40)


def test_it_is_part_of_the_map_where_there_is_one(model: RewardModel) -> None:
    image = torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(2))
    windows = reward_map(model, image, model_of=lambda _: None)
    both = reward_map(model, image)
    assert float(both.mean()) == pytest.approx(float(windows.mean()), abs=1e-4)
    assert float((both - windows).std()) == pytest.approx(float(windows.std()), rel=0.01)
