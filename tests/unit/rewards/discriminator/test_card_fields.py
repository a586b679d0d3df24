"""Numbers of a card that were never measured, or edited by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.rewards.discriminator.card_fields import (
    finite_number,
    format_interval,
    format_number,
    interval,
    section,
)
from ganrm_core.rewards.discriminator.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ganrm_core.rewards.discriminator.reward_model import RewardModel


@pytest.mark.parametrize("value", [None, True, "1", math.nan, math.inf, 10**400, [1]])
def test_anything_but_a_finite_number_is_not_known(value: Any) -> None:
    assert finite_number(value) is None
    assert format_number(value) == "not known"


@pytest.mark.parametrize(
    ("value", "known", "text"),
    [
        ([0.8, 0.7, 0.9], (0.8, 0.7, 0.9), "0.800 [0.700, 0.900]"),
        ([1, None, 0.9], (1.0, None, 0.9), "1.000"),
        ([0.8, 0.7], (None, None, None), "not known"),
        ("high", (None, None, None), "not known"),
    ],
)
def test_interval(value: Any, known: tuple[float | None, ...], text: str) -> None:
    assert interval(value) == known
    assert format_interval(value) == text


def test_section() -> None:
    assert section({"a": {"b": 1}}, "a") == {"b": 1}
    assert section({"a": [1]}, "a") == section({}, "a") == {}


def test_a_model_whose_metrics_are_unknown(trained: Any, tmp_path: Path, ganrm: Callable[..., Any]) -> None:
    whole, path = load_checkpoint(trained.checkpoint), tmp_path / "a.safetensors"
    whole.card["metrics"] |= {"auc": [0.75, math.nan, math.nan], "ece": [math.nan] * 3}
    whole.card["thresholds"]["fpr_5"] = math.nan
    whole.card["provenance"]["date"] = "\x1b[2Jtoday"
    save_checkpoint(Checkpoint(whole.tensors, whole.card), path)
    ran = ganrm("info", path)
    assert ran.code == 0, ran.err
    for line in ("held-out AUC  0.750\n", "ECE           not known\n", "fpr_5 not known", "\\x1b[2Jtoday"):
        assert line in ran.out
    assert "\x1b" not in ran.out
    assert set(RewardModel.load(path).thresholds) == {"balanced"}
