"""Feature archives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ganrm_core.data.image_io import read_image
from ganrm_core.leakage.audit.audit import Audit
from ganrm_core.leakage.forensics.file_stats import file_stats
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.feature_archive import (
    FeatureArchive,
    archive_path,
    read_features,
    write_features,
    write_model,
)
from ganrm_core.training.picture_table import PictureTable
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
    table = PictureTable(
        paths=paths,
        hashes=[f"{number:064x}" for number in range(6)],
        labels=np.repeat([1, 0], 3),
        file_stats=[file_stats(path, read_image(path)) for path in paths],
        signatures=np.eye(6, 9, dtype=np.float32),
        groups=np.arange(6),
    )
    nuisances = [torch.randn(4, width, generator=generator)]
    return FeatureArchive(table, features, nuisances, Audit((), 3, 3), "auto")


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
    assert torch.equal(back.nuisances[0], known.nuisances[0])
    assert (back.audit, back.mode) == (known.audit, known.mode)
    mine, theirs = vars(back.table), vars(known.table)
    assert mine["paths"] == []
    for column in ("hashes", "file_stats"):
        assert mine[column] == theirs[column]
    for column in ("labels", "signatures", "groups"):
        assert np.array_equal(mine[column], theirs[column])
    assert not any(name.name.encode() in path.read_bytes() for name in known.table.paths)
    with pytest.raises(OutputError):  # nothing is overwritten
        write_features(checkpoint, model, known)


def test_rows_of_the_table_are_taken_with_groups_renumbered(known: FeatureArchive) -> None:
    part = known.table.take([4, 0])
    assert part.paths == [known.table.paths[4], known.table.paths[0]]
    assert part.labels.tolist() == [0, 1]
    assert part.groups.tolist() == [1, 0]
    assert part.hashes_of(1) == [known.table.hashes[0]]
    assert replace(known.table, paths=[]).take([4]).paths == []


def test_none_or_one_of_another_model(
    model: RewardModel, known: FeatureArchive, tmp_path: Path, untrained_model: Any, tiny_transformer: str
) -> None:
    checkpoint, other = tmp_path / "a.safetensors", untrained_model(tiny_transformer)
    assert read_features(checkpoint, model) is None
    write_features(checkpoint, model, known)
    other.layer.head.weight.add_(1)
    other.card["metrics"] = {"auc": [1, 1, 1]}
    assert read_features(checkpoint, other) is not None, "the head does not decide"
    other.card["provenance"] = {"liked_fingerprint": "other"}
    with pytest.raises(CheckpointError, match="another model"):
        read_features(checkpoint, other)
    # Earlier versions saved models under such names.
    archive_path(checkpoint).write_bytes(model.to_bytes())
    with pytest.raises(CheckpointError, match=r"is a model.*Rename it"):
        read_features(checkpoint, model)


@pytest.mark.parametrize(
    "damage",
    [
        (False, lambda known: replace(known, table=replace(known.table, hashes=known.table.hashes[1:]))),
        (False, lambda known: replace(known, table=replace(known.table, labels=np.zeros(6, np.int64)))),
        (False, lambda known: replace(known, nuisances=[torch.zeros(4, 3)])),
        (False, lambda known: replace(known, features=known.features * torch.nan)),
        (False, lambda known: replace(known, mode="half")),
        (True, lambda path: path.write_bytes(path.read_bytes()[:-100])),
        (True, lambda path: path.write_bytes(b"")),
        (True, lambda path: save_file({"deviations": torch.zeros(1)}, path)),
    ],
    ids=["short", "one class", "narrow", "no numbers", "mode", "cut", "empty", "foreign"],
)
def test_damaged(damage: Any, model: RewardModel, known: FeatureArchive, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    of_file, change = damage
    written = write_features(path, model, known if of_file else change(known))
    if of_file:
        change(written)
    with pytest.raises(CheckpointError, match=r"a\.features\.safetensors"):
        read_features(path, model)


def test_a_model_and_its_archive_go_under_the_next_name_where_one_is_taken(
    model: RewardModel, known: FeatureArchive, tmp_path: Path
) -> None:
    wanted = tmp_path / "a.safetensors"
    archive_path(wanted).write_text("theirs")
    written = write_model(wanted, model, known)
    assert written == tmp_path / "a (2).safetensors"
    assert read_features(written, model) is not None
    names = ["a (2).features.safetensors", "a (2).safetensors", "a.features.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
