"""Damaged model files: each gives finite scores, or is refused in one clear line on loading."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzz_support.checkpoint_cases import checkpoint_case, checkpoint_faults, put, remove
from fuzz_support.checkpoint_seeds import Seeds
from torch import Tensor

from ganrm_core.rewards.discriminator import backbone_match
from ganrm_core.rewards.discriminator.checkpoint import (
    Checkpoint,
    load_checkpoint,
    read_card,
    save_checkpoint,
)
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.utils.errors import CheckpointError

LINEAR, MLP, PAPER, ADAPTED = Seeds.checkpoints
CASES = 60
FC1 = "adapter.net.vision_model.encoder.layers.1.mlp.fc1"


@pytest.mark.parametrize(
    ("name", "tensor", "change"),
    [
        (LINEAR, "rpl.head.weight", lambda t: torch.full_like(t, 3e38)),
        (LINEAR, "rpl.head.weight", lambda t: torch.full_like(t, float("nan"))),
        (MLP, "rpl.siblings.1.projection", lambda t: torch.full_like(t, float("nan"))),
        (PAPER, "rpl.siblings.2.layers.1.weight", lambda t: torch.full_like(t, 1e38)),
        (PAPER, "rpl.head.layers.1.weight", lambda t: t[:3]),
        (MLP, "rpl.head.layers.0.bias", lambda t: t[:0]),
        (ADAPTED, f"{FC1}.B", lambda t: torch.full_like(t, float("nan"))),
        (ADAPTED, f"{FC1}.A", lambda t: t * 1e30),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tensors_that_give_no_number(
    name: str, tensor: str, change: Callable[[Tensor], Tensor], model_files: Seeds, tmp_path: Path
) -> None:
    good, path = load_checkpoint(model_files.folder / name), tmp_path / "damaged.safetensors"
    save_checkpoint(Checkpoint({**good.tensors, tensor: change(good.tensors[tensor])}, good.card), path)
    with pytest.raises(CheckpointError, match=r"damaged\.safetensors") as caught:
        RewardModel.load(path, search_folders=[model_files.folder])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("written", ["NaN", "Infinity", "1e999"])
def test_non_finite_numbers_in_a_card_are_read_as_null(written: str, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_checkpoint(Checkpoint({"w": torch.ones(1)}, {"auc": math.nan, "note": "0" * len(written)}), path)
    assert b"NaN" not in path.read_bytes(), "JSON for strict readers too"
    quoted = b'\\"' + b"0" * len(written) + b'\\"'
    path.write_bytes(path.read_bytes().replace(quoted, written.encode().rjust(len(quoted))))
    assert read_card(path)["note"] is None


@pytest.fixture(autouse=True)
def _backbone_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Building it is most of the time that loading takes. Copies, because an adapter is merged into what is loaded.
    built: dict[str, Any] = {}
    load = backbone_match.load_backbone

    def load_once(name: str, **options: Any) -> Any:
        if name not in built:
            built[name] = load(name, **options)
        return deepcopy(built[name])

    monkeypatch.setattr(backbone_match, "load_backbone", load_once)


@pytest.mark.parametrize("name", [*Seeds.checkpoints, Seeds.combination, Seeds.feature_archive])
def test_whole_files_are_read(name: str, model_files: Seeds) -> None:
    assert checkpoint_faults(model_files.folder / name, model_files) == ("read", [])


def test_mutated_files_give_scores_or_are_refused_clearly(model_files: Seeds) -> None:
    for number in range(CASES):
        case = checkpoint_case(number, model_files)
        path = put(case, model_files)
        _, faults = checkpoint_faults(path, model_files)
        assert not faults, f"python -m benchmarks.fuzz --checkpoint {number}: {case.done}"
        remove(path)
