"""Numbers of a card that were never measured, or edited by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.rewards.discriminator.card_fields import (
    finite_number,
    format_interval,
    format_number,
    interval,
)
from ganrm_core.rewards.discriminator.checkpoint import load_checkpoint
from ganrm_core.rewards.discriminator.reward_model import RewardModel


@pytest.mark.parametrize("value", [None, True, "1", math.nan, math.inf, 10**400, [1]])
def test_anything_but_a_finite_number_is_not_known(value: Any) -> None:
    assert (finite_number(value), format_number(value)) == (None, "not known")


@pytest.mark.parametrize(
    ("value", "known", "text"),
    [
        ([0.8, 0.7, 0.9], (0.8, 0.7, 0.9), "0.800 [0.700, 0.900]"),
        ([1, None, 0.9], (1.0, None, 0.9), "1.000"),
        ([0.8, 0.7], (None, None, None), "not known"),
    ],
)
def test_interval(value: Any, known: tuple[float | None, ...], text: str) -> None:
    assert (interval(value), format_interval(value)) == (known, text)


def test_a_model_whose_metrics_are_unknown(
    tiny_file: Path, untrained_model: Any, tmp_path: Path, ganrm: Any
) -> None:
    (tmp_path / tiny_file.name).write_bytes(tiny_file.read_bytes())
    model, path = untrained_model(f"file:{tiny_file}"), tmp_path / "a.safetensors"
    model.card["metrics"] = {"auc": [0.75, math.nan, math.nan], "ece": [math.nan] * 3}
    model.card["thresholds"] = {"balanced": 0.5, "fpr_5": math.nan}
    model.card["provenance"] = {"date": "\x1b[2Jtoday"}
    model.save(path)
    assert load_checkpoint(path).card["metrics"]["ece"] == [None] * 3
    ran = ganrm("info", path)
    assert ran.code == 0, ran.err
    for line in ("held-out AUC  0.750\n", "ECE           not known\n", "fpr_5 not known", "\\x1b[2Jtoday"):
        assert line in ran.out
    assert "\x1b" not in ran.out
    assert set(RewardModel.load(path).thresholds) == {"balanced"}
