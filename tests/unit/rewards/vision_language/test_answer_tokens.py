"""Tokens that spell an answer, and the log-odds over them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from ganrm_core.rewards.vision_language.answer_tokens import (
    LEVELS,
    AnswerTokens,
    level_log_odds,
    yes_log_odds,
)
from ganrm_core.rewards.vision_language.wording import PROMPT, Wording
from ganrm_core.utils.errors import BackboneError, DataError

SPELLINGS = ["yes", "no", "Yes", "ĠYES", "▁no", "yesterday", "##yes", "Ċyes", "know", "ĠNo"]
TOKENIZER = SimpleNamespace(get_vocab=lambda: {token: place for place, token in enumerate(SPELLINGS)})


def test_every_spelling_of_a_whole_word_counts() -> None:
    tokens = AnswerTokens(TOKENIZER, ("yes", "no"))
    assert tokens.ids.tolist() == [0, 2, 3, 7, 1, 4, 9]
    logits = torch.tensor([1.0, 2, 3, 4, 5, 9, 7])
    expected = torch.tensor([logits[:4].exp().sum().log(), logits[4:].exp().sum().log()])
    assert torch.allclose(tokens.masses(logits).float(), expected)
    assert tokens.likeliest(logits) == 4


def test_a_word_without_a_token_of_its_own_is_named() -> None:
    with pytest.raises(BackboneError, match="for: fair, poor"):
        AnswerTokens(TOKENIZER, ("yes", "fair", "poor"))


def test_log_odds_stay_exact_where_probabilities_are_0_or_1() -> None:
    tokens = AnswerTokens(TOKENIZER, ("yes", "no"))
    logits = torch.full((7,), -300.0)
    logits[0] = 200
    assert yes_log_odds(tokens.masses(logits)) == pytest.approx(500 - math.log(3))
    logits[:] = math.nan
    assert math.isnan(yes_log_odds(tokens.masses(logits)))


def test_equal_levels_give_even_odds_and_the_best_one_high_odds() -> None:
    assert level_log_odds(torch.zeros(len(LEVELS)).double()) == pytest.approx(0, abs=1e-12)
    assert level_log_odds(torch.tensor([40.0, 0, 0, 0, 0]).double()) == pytest.approx(
        40 - math.log(2.5), abs=1e-6
    )


def test_wording_holds_the_prompt_and_the_way_to_answer() -> None:
    wording = Wording(f"Does it show {PROMPT} in {{braces}}?", reasoning="reason first")
    assert wording.absolute("a fox").startswith("Does it show a fox in {braces}?\n")
    assert wording.comparison("a fox").endswith("first, then answer with yes or no.")
    for settings in ({"instruction": " "}, {"answering": "maybe"}, {"reasoning": "never"}):
        with pytest.raises(DataError):
            Wording(**settings)  # type: ignore[arg-type]
