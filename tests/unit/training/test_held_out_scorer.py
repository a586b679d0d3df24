"""Held-out pictures and their twins are judged by the head that has not seen them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganrm_core.data.image_io import to_float
from ganrm_core.data.transforms import resize
from ganrm_core.rewards.discriminator.feature_cache import FeatureCache
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.heads import LinearHead, RewardProjectionLayer
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.held_out_scorer import held_out_scorer


@pytest.fixture
def model(tiny_file: Path, untrained_model: Any) -> RewardModel:
    made: RewardModel = untrained_model(f"file:{tiny_file}")
    return made


@pytest.fixture
def layer(model: RewardModel) -> RewardProjectionLayer:
    def head(number: int) -> LinearHead:
        generator = torch.Generator().manual_seed(number)
        return LinearHead(torch.zeros(width), torch.randn(width, generator=generator), torch.tensor(0.0))

    width = model.reader.readout.width(model.backbone.spec)
    return RewardProjectionLayer(head(0), [head(1), head(2)])


@pytest.fixture
def images() -> list[Tensor]:
    """A picture and two of other sizes."""
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.integers(0, 255, (3, side, 30), dtype=np.uint8)) for side in (40, 20, 33)]


def features_of(model: RewardModel, images: list[Tensor]) -> Tensor:
    size = model.backbone.spec.input_size
    return model.reader(torch.stack([resize(model.border_trim(to_float(image)), size) for image in images]))


def store_of(model: RewardModel) -> FeatureCache:
    return FeatureCache(model.reader, model.border_trim)


def test_each_picture_is_judged_by_the_head_of_its_fold(
    model: RewardModel, layer: RewardProjectionLayer, images: list[Tensor]
) -> None:
    judge = held_out_scorer(layer, np.array([1, 0, 1]), store_of(model), model.border_trim)
    features = features_of(model, images)
    for position, head in enumerate((layer.siblings[1], layer.siblings[0], layer.siblings[1])):
        assert judge(images, position) == pytest.approx(head(features).double().numpy(), abs=1e-4)


def test_without_folds_the_head_itself_judges(
    model: RewardModel, layer: RewardProjectionLayer, images: list[Tensor]
) -> None:
    judge = held_out_scorer(layer, None, store_of(model), model.border_trim)
    expected = layer.head(features_of(model, images)).double().numpy()
    assert judge(images, 7) == pytest.approx(expected, abs=1e-4)


def test_what_is_known_of_a_picture_is_not_worked_out_again(
    model: RewardModel, layer: RewardProjectionLayer, images: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = held_out_scorer(layer, None, store_of(model), model.border_trim)(images, 1)
    known = {1: features_of(model, images)[:1]}
    read: list[int] = []
    real = FeatureExtractor.__call__
    monkeypatch.setattr(FeatureExtractor, "__call__", lambda self, p: (read.append(len(p)), real(self, p))[1])
    judge = held_out_scorer(layer, None, store_of(model), model.border_trim, known.get)
    assert judge(images, 1) == pytest.approx(expected, abs=1e-4)
    assert sum(read) == 2
    assert judge(images[:1], 1) == pytest.approx(expected[:1], abs=1e-4), "no twin differs"
    assert sum(read) == 2
    assert judge(images, 0) == pytest.approx(expected, abs=1e-4)
    assert sum(read) == 5
