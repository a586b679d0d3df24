"""Hyperparameters of a head in the checkpoint's card, and parsed from the cards of earlier versions."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ganrm_core.training.head_config import CARD_KEY, HeadConfig
from ganrm_core.utils.errors import DataError


@pytest.mark.parametrize(
    ("config", "description"),
    [
        (HeadConfig("linear", 0.75, 0.003), "linear, whitening 0.75, penalty 0.003"),
        (HeadConfig("mlp"), "mlp"),
        (HeadConfig("paper"), "paper mlp"),
    ],
)
def test_comes_back_from_its_fields_and_from_the_sentence_of_earlier_versions(
    config: HeadConfig, description: str
) -> None:
    assert config.description == description
    assert HeadConfig.from_card({CARD_KEY: config.to_json()}, config.kind) == config
    assert HeadConfig.from_card({"chosen_head": description}, config.kind) == config


def test_the_fields_count_and_not_the_sentence() -> None:
    card = {CARD_KEY: HeadConfig("linear", 0.5, 0.1).to_json(), "chosen_head": "linear with LoRA"}
    assert HeadConfig.from_card(card, "linear") == HeadConfig("linear", 0.5, 0.1)


@pytest.mark.parametrize(
    "sentence", ["linear with LoRA", "linear, since LoRA gained nothing over the frozen backbone"]
)
def test_lora_of_earlier_versions(sentence: str) -> None:
    assert HeadConfig.from_card({"chosen_head": sentence}, "linear") == HeadConfig("linear", 0.5, 0.1)


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"chosen_head": "linear, whitening 0.5"},
        {"chosen_head": "linear, whitening 0.5, penalty 1.2.3"},
        {"chosen_head": "linear, whitening 0.5, penalty 0"},
        {CARD_KEY: None},
        {CARD_KEY: {"kind": "linear"}},
        {CARD_KEY: {"kind": "mlp"}},
        {CARD_KEY: {"kind": "forest"}},
        {CARD_KEY: {"kind": "linear", "whitening": 0.5, "penalty": "0.1"}},
        {CARD_KEY: {"kind": "linear", "whitening": -1, "penalty": 0.1}},
        {CARD_KEY: {"kind": "linear", "whitening": 0.5, "penalty": math.nan}},
        {CARD_KEY: {"kind": "linear", "whitening": 0.5, "penalty": True}},
        {CARD_KEY: {"kind": "linear", "whitening": 0.5, "penalty": 0.1, "depth": 3}},
    ],
)
def test_a_card_that_does_not_say_it_of_a_linear_head(card: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="Train it anew"):
        HeadConfig.from_card(card, "linear")
