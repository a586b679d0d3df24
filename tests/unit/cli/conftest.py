"""A quick model for the tests of the command line."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from unit_support.workspace import Workspace


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, make_folder: Any, make_clip_vision: Any, ganrm: Any
) -> SimpleNamespace:
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
    return SimpleNamespace(liked=liked, ordinary=ordinary, checkpoint=checkpoint, report=report, ran=ran)


@pytest.fixture
def work(trained: Any, tmp_path: Path, ganrm: Any) -> Workspace:
    return Workspace.copy_of(trained.liked.parent, tmp_path, ganrm)
