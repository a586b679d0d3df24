"""Model files whose tensors or figures would give no score are refused when they are loaded, in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzz_support.checkpoint_seeds import Seeds
from torch import Tensor

from ganrm_core.rewards.combination_file import load_reward
from ganrm_core.rewards.discriminator.checkpoint import (
    Checkpoint,
    load_checkpoint,
    read_card,
    save_checkpoint,
)
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.utils.errors import CheckpointError

LINEAR, MLP, PAPER, ADAPTED = Seeds.checkpoints
FC1 = "adapter.net.vision_model.encoder.layers.1.mlp.fc1"

Change = Callable[[Tensor], Tensor]


def saved(
    seeds: Seeds,
    name: str,
    path: Path,
    tensors: dict[str, Tensor] | None = None,
    card: dict[str, Any] | None = None,
) -> Path:
    """The seed called `name` with other tensors and entries, under `path`, and with its backbone beside it."""
    good = load_checkpoint(seeds.folder / name)
    save_checkpoint(Checkpoint({**good.tensors, **(tensors or {})}, {**good.card, **(card or {})}), path)
    (path.parent / seeds.backbone).symlink_to(seeds.folder / seeds.backbone)
    return path


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
    name: str, tensor: str, change: Change, model_files: Seeds, tmp_path: Path
) -> None:
    good = load_checkpoint(model_files.folder / name).tensors[tensor]
    path = saved(model_files, name, tmp_path / "damaged.safetensors", {tensor: change(good)})
    with pytest.raises(CheckpointError, match=r"damaged\.safetensors") as caught:
        RewardModel.load(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "card",
    [
        {"calibration": {"temperature": 1e-300, "bias": 0.0}},
        {"calibration": {"temperature": 10**400, "bias": 0.0}},
        {"calibration": {"temperature": None, "bias": 0.0}},
        {"calibration": {"temperature": 1.0, "bias": 1e39}},
        {"adapter": ["lora"]},
        {"taps": ["block1" * 500]},
    ],
    ids=lambda card: f"{card!r:.50}",
)
def test_figures_and_entries_that_give_no_score(
    card: dict[str, Any], model_files: Seeds, tmp_path: Path
) -> None:
    path = saved(model_files, LINEAR, tmp_path / "damaged.safetensors", card=card)
    with pytest.raises(CheckpointError, match=r"damaged\.safetensors") as caught:
        RewardModel.load(path)
    assert "NoneType" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "entry",
    [{"name": ["efficientnet_lite0"]}, {"weights_sha256": None}, {"taps": [{"name": "a", "width": -1}]}],
)
def test_a_backbone_that_is_none(entry: dict[str, Any], model_files: Seeds, tmp_path: Path) -> None:
    backbone = {**read_card(model_files.folder / LINEAR)["backbone"], **entry}
    path = saved(model_files, LINEAR, tmp_path / "damaged.safetensors", card={"backbone": backbone})
    with pytest.raises(CheckpointError, match=r"damaged\.safetensors"):
        RewardModel.load(path)


@pytest.mark.parametrize("written", ["NaN", "Infinity", "1e999"])
def test_no_number_in_a_card_is_read_as_null(written: str, model_files: Seeds, tmp_path: Path) -> None:
    path = saved(model_files, LINEAR, tmp_path / "other.safetensors", card={"note": "0" * len(written)})
    content = path.read_bytes()
    quoted = b'\\"' + b"0" * len(written) + b'\\"'
    assert content.count(quoted) == 1
    path.write_bytes(content.replace(quoted, written.encode().rjust(len(quoted))))
    assert read_card(path)["note"] is None


@pytest.mark.parametrize(
    "part",
    [{"weight": 10**400}, {"file": "long " * 2000}, {"file": "x" * 400}, {"file": None}, {"weight": None}],
    ids=str,
)
def test_parts_of_a_combination_that_are_none(part: dict[str, Any], model_files: Seeds) -> None:
    recipe = json.loads((model_files.folder / model_files.recipe).read_text())
    recipe["parts"][0] |= part
    path = model_files.folder / "damaged.json"
    path.write_text(json.dumps(recipe))
    with pytest.raises(CheckpointError, match=r"damaged\.json") as caught:
        load_reward(path)
    assert "NoneType" not in str(caught.value)


def test_a_name_that_is_too_long_is_no_model() -> None:
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        RewardModel.load("x" * 5000)
