"""A model whose checkpoint and backbone lie in one folder, loaded in no time."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, make_clip_vision: Any, untrained_model: Any
) -> SimpleNamespace:
    """A checkpoint with a random head beside its tiny backbone."""
    backbone: Path = make_clip_vision(tmp_path_factory.mktemp("models") / "tiny.safetensors", seed=4)
    checkpoint = backbone.with_name("taste.safetensors")
    untrained_model(f"file:{backbone}").save(checkpoint)
    return SimpleNamespace(checkpoint=checkpoint, backbone=backbone)
