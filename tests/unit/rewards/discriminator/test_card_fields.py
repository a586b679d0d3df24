"""Cards that our own writer makes of NaN, and that were edited: words, or one clear line, never a traceback."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.rewards.discriminator.card_fields import (
    finite_number,
    format_interval,
    format_number,
    section,
)
from ganrm_core.rewards.discriminator.checkpoint import (
    Checkpoint,
    load_checkpoint,
    read_card,
    save_checkpoint,
)
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.utils.errors import BackboneError, CheckpointError

Ganrm = Callable[..., Any]

STRANGE = [None, True, "x", "", [], [None], {}, {"a": None}, -1, 1e308, 10**400, [1, None, 2], "\x1b[2J"]


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (0.5, 0.5),
        (1, 1.0),
        (None, None),
        (True, None),
        ("1", None),
        (math.nan, None),
        (math.inf, None),
        (10**400, None),
    ],
)
def test_figure(value: Any, known: float | None) -> None:
    assert finite_number(value) == known


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([0.8, 0.7, 0.9], "0.800 [0.700, 0.900]"),
        ([0.8, None, 0.9], "0.800"),
        ([None, None, None], "not known"),
        ([0.8, 0.7], "not known"),
        ("high", "not known"),
        (None, "not known"),
    ],
)
def test_interval(value: Any, words: str) -> None:
    assert format_interval(value) == words


def test_section() -> None:
    assert section({"a": {"b": 1}}, "a") == {"b": 1}
    assert section({"a": [1]}, "a") == section({}, "a") == {}
    assert format_number(None) == "not known"


def edited(trained: Any, path: Path, card: dict[str, Any]) -> Path:
    save_checkpoint(Checkpoint(load_checkpoint(trained.checkpoint).tensors, card), path, overwrite=True)
    return path


def test_what_could_not_be_measured(trained: Any, tmp_path: Path, ganrm: Ganrm) -> None:
    card = read_card(trained.checkpoint)
    card["metrics"]["auc"] = [0.75, math.nan, math.nan]
    card["metrics"]["ece"] = [math.nan] * 3
    card["thresholds"]["fpr_5"] = math.nan
    path = edited(trained, tmp_path / "a.safetensors", card)
    ran = ganrm("info", path)
    assert ran.code == 0, ran.err
    assert "held-out AUC  0.750\n" in ran.out
    assert "ECE           not known\n" in ran.out
    assert "fpr_5 not known" in ran.out
    assert set(RewardModel.load(path).thresholds) == {"balanced"}


def test_a_card_does_not_write_over_the_terminal(trained: Any, tmp_path: Path, ganrm: Ganrm) -> None:
    card = read_card(trained.checkpoint)
    card["provenance"]["date"] = "\x1b[2Jtoday"
    ran = ganrm("info", edited(trained, tmp_path / "a.safetensors", card))
    assert "\x1b" not in ran.out
    assert "\\x1b[2Jtoday" in ran.out


@pytest.mark.parametrize("seed", range(24))
def test_edited_anywhere(seed: int, trained: Any, tmp_path: Path, ganrm: Ganrm) -> None:
    rng = random.Random(seed)
    card = copy.deepcopy(read_card(trained.checkpoint))
    for _ in range(rng.randint(1, 4)):
        place, inner = card, rng.choice(sorted(card.keys() - {"format_version"}))
        while isinstance(place[inner], (dict, list)) and place[inner] and rng.random() < 0.7:
            place = place[inner]
            inner = rng.choice(sorted(place) if isinstance(place, dict) else range(len(place)))
        place[inner] = rng.choice(STRANGE)
    path = edited(trained, tmp_path / "a.safetensors", card)
    ran = ganrm("info", path)
    assert ran.code == 0 or (ran.code == 2 and "a.safetensors" in ran.err), json.dumps(card)[:2000]
    refusal = ""
    try:
        RewardModel.load(path, offline=True)
    except (CheckpointError, BackboneError) as error:
        refusal = str(error)
    assert not refusal or "a.safetensors" in refusal
