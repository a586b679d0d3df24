"""A card that was edited or damaged is refused on loading, not at the first picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganrm_core.rewards.discriminator.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.utils.errors import CheckpointError


@pytest.mark.parametrize(
    "changes",
    [
        {"taps": ["stage1"]},
        {"calibration": {"temperature": 0.0, "bias": 0.0}},
        {"calibration": {"temperature": "x", "bias": 0.0}},
        {"calibration": {"temperature": -1.0, "bias": 0.0}},
        {"thresholds": [0.5]},
        {"thresholds": {"balanced": "high"}},
        {"backbone": None},
        {"head": "oracle"},
    ],
    ids=str,
)
def test_is_refused(trained: Any, tmp_path: Path, changes: dict[str, Any]) -> None:
    good = load_checkpoint(trained.checkpoint)
    path = tmp_path / "edited.safetensors"
    save_checkpoint(Checkpoint(good.tensors, {**good.card, **changes}), path)
    with pytest.raises(CheckpointError, match=r"edited\.safetensors"):
        RewardModel.load(path)
