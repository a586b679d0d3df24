"""Aesthetic predictors in tiny, in their real file formats, against the formula on tensors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from unit_support.tiny_aesthetic import TINY_PREDICTORS, write_predictor
from unit_support.tiny_judges import pictures

from ganrm_core.rewards.known.aesthetic import LAION_V2, V2_5, Predictor, load_predictor
from ganrm_core.utils.errors import BackboneError

PICTURES = pictures((40, 57), (64, 33))
CASES = TINY_PREDICTORS
Case = tuple[Predictor, Path, Path, Any, list[tuple[Tensor, Tensor]]]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    pytest.importorskip("transformers")
    predictor, family = CASES[request.param]
    head, encoder, model, layers = write_predictor(tmp_path, predictor, family)
    return predictor, head, encoder, model, layers


def test_the_score_is_a_chain_of_linear_layers_on_the_unit_embedding(case: Case) -> None:
    predictor, head, encoder, model, layers = case
    reward = load_predictor(predictor, head, encoder)
    with torch.no_grad():
        output = model(pixel_values=torch.stack([reward.prepare(x.permute(2, 0, 1)) for x in PICTURES]))
        found = output.image_embeds if predictor.kind == "laion_aesthetic_v2" else output.pooler_output
        found = found / found.norm(dim=-1, keepdim=True)
        for weight, bias in layers:
            found = found @ weight.T + bias
    scores = reward.score(PICTURES)
    assert torch.allclose(reward.scale.published(scores.logit), found[:, 0], atol=1e-4)
    assert not reward.needs_prompt
    assert torch.equal(reward.score(PICTURES[1:], ["ignored"]).logit, scores.logit[1:])


def test_another_encoder_or_head_is_refused_by_name(case: Case, tmp_path: Path) -> None:
    predictor, head, encoder, _, _ = case
    for wanted in ({"width": 99}, {"size": 224}, {"part": "other"}):
        with pytest.raises(BackboneError, match=r"encoder\.safetensors.*another vision model.*choose"):
            load_predictor(replace(predictor, **wanted), head, encoder)
    other = V2_5 if predictor.kind == "laion_aesthetic_v2" else LAION_V2
    with pytest.raises(BackboneError, match=r"head\.pth.*is not the head of"):
        load_predictor(replace(other, width=predictor.width, size=32, part=predictor.part), head, encoder)
    with pytest.raises(BackboneError, match="no weights file"):
        load_predictor(predictor, tmp_path / "absent.pth", encoder)
