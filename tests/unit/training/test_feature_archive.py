"""A checkpoint's companion."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganrm_core.data.image_io import read_image
from ganrm_core.leakage.audit.audit import Audit
from ganrm_core.leakage.forensics.file_stats import file_stats
from ganrm_core.rewards.discriminator.checkpoint import load_checkpoint
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.feature_archive import (
    FeatureArchive,
    archive_path,
    features_identity,
    read_features,
    write_features,
    write_model,
)
from ganrm_core.utils.errors import CheckpointError, OutputError


@pytest.fixture(scope="module")
def model(untrained_model: Callable[[str], RewardModel], tiny_transformer: str) -> RewardModel:
    return untrained_model(tiny_transformer)


@pytest.fixture(scope="module")
def known(model: RewardModel, sets: Any) -> FeatureArchive:
    paths = [*sorted(sets.liked.iterdir())[:3], *sorted(sets.ordinary.iterdir())[:3]]
    width = model.reader.readout.width(model.backbone.spec)
    generator = torch.Generator().manual_seed(0)
    # Far from zero beside what tells them apart, as real features are.
    features = 100 + 0.01 * torch.randn(6, 2, width, generator=generator)
    features[:, :, 0] = 7
    return FeatureArchive(
        features=features,
        labels=np.repeat([1, 0], 3),
        signatures=np.eye(6, 9, dtype=np.float32),
        groups=np.arange(6),
        hashes=[f"{number:064x}" for number in range(6)],
        nuisances=[torch.randn(4, width, generator=generator)],
        facts=[file_stats(path, read_image(path)) for path in paths],
        audit=Audit((), 3, 3),
        mode="auto",
        paths=paths,
    )


def test_everything_but_the_paths_comes_back(
    model: RewardModel, known: FeatureArchive, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "taste.v2.safetensors"
    path = write_features(checkpoint, model, known)
    assert path == archive_path(checkpoint) == tmp_path / "taste.v2.features.safetensors"
    back = read_features(checkpoint, model)
    assert back is not None
    deviation = known.features - known.features.mean(dim=(0, 1))
    assert (back.features - known.features).abs().max() < 1e-3 * deviation.abs().max()
    assert back.features.dtype == torch.float32
    assert (back.features[:, :, 0] == 7).all()
    assert back.labels.tolist() == known.labels.tolist()
    assert np.array_equal(back.signatures, known.signatures)
    assert back.groups.tolist() == known.groups.tolist()
    assert back.hashes == known.hashes
    assert torch.equal(back.nuisances[0], known.nuisances[0])
    assert back.facts == known.facts
    assert back.audit == known.audit
    assert back.mode == "auto"
    assert back.paths == []
    assert not any(name.name.encode() in path.read_bytes() for name in known.paths)


def test_none_where_there_is_none(model: RewardModel, tmp_path: Path) -> None:
    assert read_features(tmp_path / "taste.safetensors", model) is None


def test_nothing_is_overwritten(model: RewardModel, known: FeatureArchive, tmp_path: Path) -> None:
    write_features(tmp_path / "a.safetensors", model, known)
    with pytest.raises(OutputError):
        write_features(tmp_path / "a.safetensors", model, known)


def test_of_another_model(
    model: RewardModel, known: FeatureArchive, tmp_path: Path, untrained_model: Any, tiny_transformer: str
) -> None:
    write_features(tmp_path / "a.safetensors", model, known)
    other = untrained_model(tiny_transformer)
    other.card["provenance"] = {"liked_fingerprint": "other"}
    with pytest.raises(CheckpointError, match="another model"):
        read_features(tmp_path / "a.safetensors", other)


def test_the_head_does_not_decide(model: RewardModel, untrained_model: Any, tiny_transformer: str) -> None:
    other = untrained_model(tiny_transformer)
    other.layer.head.weight.add_(1)
    other.card["metrics"] = {"auc": [1, 1, 1]}
    assert features_identity(other) == features_identity(model)


@pytest.mark.parametrize("damage", ["cut", "foreign", "empty", "short"])
def test_damaged(damage: str, model: RewardModel, known: FeatureArchive, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = write_features(
        tmp_path / "a.safetensors",
        model,
        replace(known, hashes=known.hashes[1:]) if damage == "short" else known,
    )
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "foreign":
        save_file({"deviations": torch.zeros(1)}, path)
    elif damage == "empty":
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"a\.features\.safetensors"):
        read_features(tmp_path / "a.safetensors", model)


class TestWriteModel:
    def test_both_go_under_the_next_name_where_one_is_taken(
        self, model: RewardModel, known: FeatureArchive, tmp_path: Path
    ) -> None:
        wanted = tmp_path / "a.safetensors"
        archive_path(wanted).write_text("theirs")
        written = write_model(wanted, model, known)
        assert written == tmp_path / "a (2).safetensors"
        assert read_features(written, model) is not None
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "a (2).features.safetensors",
            "a (2).safetensors",
            "a.features.safetensors",
        ]

    @pytest.mark.skipif(sys.platform != "linux", reason="only here may a name be no valid text")
    def test_a_path_that_is_no_text(self, model: RewardModel, known: FeatureArchive, tmp_path: Path) -> None:
        folder = tmp_path / os.fsdecode(b"caf\xe9")
        folder.mkdir()
        written = write_model(folder / os.fsdecode(b"tast\xe9.safetensors"), model, known)
        assert load_checkpoint(written).tensors.keys() == model.checkpoint().tensors.keys()
        assert read_features(written, model) is not None

    @pytest.mark.parametrize(
        "name", ["a.features.safetensors", "A.FEATURES.safetensors", "a.part.safetensors"]
    )
    def test_names_that_would_never_be_listed(self, name: str, model: RewardModel, tmp_path: Path) -> None:
        for save in (write_model, lambda path, model: model.save(path)):
            with pytest.raises(OutputError, match="cannot be named"):
                save(tmp_path / name, model)
        assert list(tmp_path.iterdir()) == []

    def test_a_model_under_such_a_name_is_not_to_be_removed(self, model: RewardModel, tmp_path: Path) -> None:
        """Earlier versions saved it."""
        archive_path(tmp_path / "a.safetensors").write_bytes(model.to_bytes())
        with pytest.raises(CheckpointError, match=r"is a model.*Rename it"):
            read_features(tmp_path / "a.safetensors", model)
