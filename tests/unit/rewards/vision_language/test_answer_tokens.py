"""Tokens that spell an answer, and the log-odds over them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from ganrm_core.rewards.vision_language.answer_tokens import (
    LEVELS,
    level_log_odds,
    token_ids,
    yes_log_odds,
)
from ganrm_core.rewards.vision_language.wording import PROMPT, Wording
from ganrm_core.utils.errors import BackboneError, DataError

SPELLINGS = ["yes", "no", "Yes", "ĠYES", "▁no", "yesterday", "##yes", "Ċyes", "know", "ĠNo"]
TOKENIZER = SimpleNamespace(get_vocab=lambda: {token: place for place, token in enumerate(SPELLINGS)})


def test_every_spelling_of_a_whole_word_counts() -> None:
    assert [ids.tolist() for ids in token_ids(TOKENIZER, ("yes", "no"))] == [[0, 2, 3, 7], [1, 4, 9]]


def test_a_word_without_a_token_of_its_own_is_named() -> None:
    with pytest.raises(BackboneError, match="for: fair, poor"):
        token_ids(TOKENIZER, ("yes", "fair", "poor"))


def test_log_odds_stay_exact_where_probabilities_are_0_or_1() -> None:
    ids = token_ids(TOKENIZER, ("yes", "no"))
    logits = torch.full((len(SPELLINGS),), -300.0)
    logits[0] = 200
    assert yes_log_odds(logits, ids) == pytest.approx(500 - math.log(3))
    logits[:] = math.nan
    assert math.isnan(yes_log_odds(logits, ids))


def test_equal_levels_give_even_odds_and_the_best_one_high_odds() -> None:
    ids = [torch.tensor([place]) for place in range(len(LEVELS))]
    assert level_log_odds(torch.zeros(5), ids) == pytest.approx(0, abs=1e-12)
    assert level_log_odds(torch.tensor([40.0, 0, 0, 0, 0]), ids) == pytest.approx(
        40 - math.log(2.5), abs=1e-6
    )


def test_wording_holds_the_prompt_and_the_way_to_answer() -> None:
    wording = Wording(f"Does it show {PROMPT} in {{braces}}?", reasoning="reason first")
    assert wording.absolute("a fox").startswith("Does it show a fox in {braces}?\n")
    assert wording.comparison("a fox").endswith("first, then answer with yes or no.")
    for settings in ({"instruction": " "}, {"answering": "maybe"}, {"reasoning": "never"}):
        with pytest.raises(DataError):
            Wording(**settings)  # type: ignore[arg-type]
