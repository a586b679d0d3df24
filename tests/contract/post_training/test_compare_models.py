"""Node "Compare Models": what it makes of both models' pictures, and what it says about the LoRA."""

from __future__ import annotations

import math
from typing import Any

import pytest
from contract_support.post_training import COMPARE, TEXTS, Maker, RewardWithPrompts


def test_a_good_lora_is_kept(run_comparison: Any, pack: Any) -> None:
    reward, before, after = RewardWithPrompts(pack), Maker(0.3), Maker(0.5)
    result = run_comparison(after, before=before, reward=reward)
    assert result["win_rate"] == 1.0
    assert result["reward_change"] == pytest.approx(0.2, abs=0.02)
    assert result["keep"] is True
    assert result["summary"].startswith("Keep this LoRA")
    # The same seeds on both sides, others for every prompt.
    assert before.seeds == after.seeds
    assert before.seeds[0] == (0, (7,)), "one pair is compared before all are made"
    assert before.seeds[1:] == [(0, (7, 8, 9, 10)), (1, (11, 12, 13, 14)), (2, (15, 16, 17, 18))]
    assert reward.asked == [(text,) * 4 for text in TEXTS for _ in range(2)]


def test_the_same_figures_are_lists_for_api_clients(run_comparison: Any, pack: Any) -> None:
    ui = run_comparison(Maker(0.5), judge=RewardWithPrompts(pack)).ui
    assert all(isinstance(value, list) for value in ui.values())
    assert ui["win_rate"][0] == 1.0
    assert ui["reward_change"] == ui["judge_change"]
    assert ui["seeds"] == list(range(7, 19))
    assert len(ui["scores_before"]) == len(ui["scores_after"]) == ui["pairs"][0] == 12
    assert ui["prompt_kept"] == [pytest.approx(1.0)] * 3
    assert ui["diversity"] == [pytest.approx(1.0, abs=0.1)]


@pytest.mark.parametrize(
    ("after", "inputs", "sign"),
    [
        (Maker(0.25), {}, "the reward fell"),
        (Maker(0.5, spread=0.05), {}, "more alike"),
        (Maker(0.5), {"gains": (1.0, 0.6)}, "follows the prompts less"),
        (Maker(0.5), {"judge": -1.0}, "the judge's score fell"),
        (Maker(0.5, broken=(8, 12)), {}, "2 of its pictures are spoilt, 0 before"),
        (Maker(0.5), {"pictures": 1}, "too few pictures"),
    ],
)
def test_a_bad_sign_is_named_in_the_sentence(
    run_comparison: Any, pack: Any, after: Maker, inputs: dict[str, Any], sign: str
) -> None:
    if "judge" in inputs:
        inputs = {"judge": RewardWithPrompts(pack, inputs["judge"])}
    result = run_comparison(after, **inputs)
    assert result["keep"] is False
    assert sign in result["summary"].split("\n")[0]


def test_spoilt_pictures_are_left_out_and_counted(run_comparison: Any) -> None:
    result = run_comparison(Maker(0.5, broken=(8,)), before=Maker(0.3, broken=(9, 14)))
    assert result.ui["pairs"] == [9]
    assert result.ui["spoilt"] == [2, 1]
    assert result.ui["scores_after"][1] is None
    assert "2 before, 1 after" in result["summary"]
    assert result["keep"] is True


def test_a_generator_that_sees_no_prompts_is_not_believed(run_comparison: Any) -> None:
    result = run_comparison(Maker(0.5), gains=(-1.0, -5.0))
    assert result["keep"] is True
    assert result.ui["prompt_kept"] == [None] * 3
    assert "nothing that was measured" in result["summary"]


def test_a_single_picture_of_a_prompt_has_no_diversity(run_comparison: Any) -> None:
    assert run_comparison(Maker(0.5), pictures=1).ui["diversity"] == [None]


@pytest.mark.parametrize(
    ("after", "words"),
    [(Maker(0.3), "very same pictures"), (Maker(0.3, channels=8), "latents of different kinds")],
)
def test_nothing_to_compare_is_refused(run_comparison: Any, errors: Any, after: Maker, words: str) -> None:
    with pytest.raises(errors.DataError, match=words):
        run_comparison(after)


def test_diversity_is_measured_with_the_features_the_taste_reads(run_comparison: Any, trained: Any) -> None:
    result = run_comparison(Maker(0.5), reward=trained, texts=("rain",), pictures=2)
    assert "efficientnet_lite0" in result["summary"]
    assert math.isfinite(result.ui["diversity"][0])
    assert "colours and layout" in run_comparison(Maker(0.5))["summary"]


def test_an_unknown_sampler_is_refused_when_it_is_queued(pack: Any) -> None:
    assert "has no 'evil'" in pack.refusal(COMPARE, sampler_name="evil", scheduler="simple")
    assert pack.refusal(COMPARE, sampler_name=None, scheduler=None) == ""


def test_cancel_passes_through(run_comparison: Any, cancel: Any) -> None:
    seen = iter(range(100))
    interrupted = cancel(lambda: next(seen) > 5)
    with pytest.raises(interrupted):
        run_comparison(Maker(0.5))
