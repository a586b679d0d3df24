"""A quick model for the tests of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from unit_support.workspace import Workspace

from ganrm_core.rewards.discriminator.reward_model import RewardModel


@dataclass(frozen=True)
class Trained:
    """A model trained by the command line on `liked` and `ordinary`, and what it printed."""

    liked: Path
    ordinary: Path
    checkpoint: Path
    report: Path
    ran: Any


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, make_folder: Any, make_clip_vision: Any, ganrm: Any
) -> Trained:
    """As in the other tests, but with a tiny backbone beside the model, which a command loads in no time."""
    folder = tmp_path_factory.mktemp("trained")
    liked = make_folder(folder / "liked", "liked", 14)
    ordinary = make_folder(folder / "ordinary", "ordinary", 15)
    backbone = make_clip_vision(folder / "models" / "tiny.safetensors", seed=4)
    checkpoint, report = backbone.with_name("taste.safetensors"), backbone.with_name("taste.html")
    ran = ganrm(
        *("train", "--liked", liked, "--ordinary", ordinary, "--backbone", f"file:{backbone}"),
        *("--output", checkpoint, "--report", report, "--views", 2, "--json"),
    )
    assert ran.code == 0, ran.err
    return Trained(liked, ordinary, checkpoint, report, ran)


@pytest.fixture(scope="session")
def model(trained: Trained) -> RewardModel:
    return RewardModel.load(trained.checkpoint)


@pytest.fixture
def work(trained: Trained, tmp_path: Path, ganrm: Any) -> Workspace:
    return Workspace.copy_of(trained.liked.parent, tmp_path, ganrm)
