"""A quick model for the tests of the command line, and helpers that several of them use."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.rewards.discriminator.reward_model import RewardModel


@dataclass(frozen=True)
class Trained:
    """A model trained by the command line on `liked` and `ordinary`, and what it printed."""

    liked: Path
    ordinary: Path
    checkpoint: Path
    report: Path
    ran: Any

    @property
    def sets(self) -> list[object]:
        return ["--liked", self.liked, "--ordinary", self.ordinary]


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, make_folder: Any, make_clip_vision: Any, ganrm: Any
) -> Trained:
    """As in the other tests, but with a tiny backbone beside the model, which a command loads in no time."""
    folder = tmp_path_factory.mktemp("trained")
    liked = make_folder(folder / "liked", "liked", 14)
    ordinary = make_folder(folder / "ordinary", "ordinary", 15)
    backbone = make_clip_vision(folder / "models" / "tiny.safetensors", seed=4)
    made = Trained(
        liked, ordinary, backbone.with_name("taste.safetensors"), backbone.with_name("taste.html"), None
    )
    files = ("--backbone", f"file:{backbone}", "--output", made.checkpoint, "--report", made.report)
    ran = ganrm("train", *made.sets, *files, "--views", 2, "--json")
    assert ran.code == 0, ran.err
    return Trained(liked, ordinary, made.checkpoint, made.report, ran)


@pytest.fixture(scope="session")
def model(trained: Trained) -> RewardModel:
    return RewardModel.load(trained.checkpoint)


@pytest.fixture
def work(trained: Trained, tmp_path: Path) -> Path:
    """A folder with copies of both sets, which a test may change."""
    shutil.copytree(trained.liked, tmp_path / "liked")
    shutil.copytree(trained.ordinary, tmp_path / "ordinary")
    return tmp_path


@pytest.fixture
def folders(work: Path) -> list[object]:
    """Options with the copies of both sets."""
    return ["--liked", work / "liked", "--ordinary", work / "ordinary"]


@pytest.fixture
def train(folders: list[object], trained: Trained, ganrm: Any) -> Callable[..., Any]:
    """Run a training on the copies that takes no time."""
    backbone = f"file:{trained.checkpoint.with_name('tiny.safetensors')}"
    return lambda *options: ganrm("train", *folders, "--backbone", backbone, "--preset", "paper", *options)


@pytest.fixture(scope="session")
def listing() -> Callable[[Path], dict[str, bytes]]:
    """Everything below a folder, with its content."""
    return lambda folder: {
        str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")
    }
