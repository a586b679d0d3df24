"""Hyperparameters of a head in the checkpoint's card, and parsed from the cards of earlier versions."""

from __future__ import annotations

import math

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


def test_the_fields_count_before_the_sentence_and_lora_of_earlier_versions() -> None:
    usual, other = HeadConfig("linear", 0.5, 0.1), HeadConfig("linear", 0.25, 0.2)
    sentences = ("linear with LoRA", "linear, since LoRA gained nothing over the frozen backbone")
    for card in [{"chosen_head": sentence} for sentence in sentences]:
        assert HeadConfig.from_card(card, "linear") == usual
        assert HeadConfig.from_card({**card, CARD_KEY: other.to_json()}, "linear") == other


def test_a_card_that_does_not_say_it_of_a_linear_head() -> None:
    for card in (
        {},
        {"chosen_head": "linear, whitening 0.5, penalty 1.2.3"},
        {"chosen_head": "linear, whitening 0.5, penalty 0"},
        {CARD_KEY: None},
        {CARD_KEY: {"kind": "linear"}},
        {CARD_KEY: {"kind": "mlp"}},
        {CARD_KEY: {"kind": "linear", "whitening": 0.5, "penalty": "0.1"}},
        {CARD_KEY: {"kind": "linear", "whitening": -1, "penalty": 0.1}},
        {CARD_KEY: {"kind": "linear", "whitening": 0.5, "penalty": math.nan}},
        {CARD_KEY: {"kind": "linear", "whitening": 0.5, "penalty": True}},
        {CARD_KEY: {"kind": "linear", "whitening": 0.5, "penalty": 0.1, "depth": 3}},
    ):
        with pytest.raises(DataError, match="Train it anew"):
            HeadConfig.from_card(card, "linear")


def test_an_unknown_kind_of_head_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind of head 'forest'"):
        HeadConfig("forest")
