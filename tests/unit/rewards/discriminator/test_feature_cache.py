"""The feature cache gives the same numbers, and the backbone does not run again for known content."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ganrm_core.data.border_trim import BorderTrim
from ganrm_core.data.skipped_files import Skipped
from ganrm_core.leakage import invariance_test
from ganrm_core.rewards.combined import CombinedReward
from ganrm_core.rewards.discriminator.feature_cache import FeatureCache
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.readout import Readout, SecondLook
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.trainer import train
from ganrm_core.utils.disk_cache import FILE, DiskCache, keep_in

COUNT = 6


@pytest.fixture(scope="module")
def small(tiny_file: Path, untrained_model: Callable[[str], RewardModel]) -> RewardModel:
    return untrained_model(f"file:{tiny_file}")


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DiskCache]:
    cache = DiskCache(tmp_path / "cache" / FILE, 10**8)
    keep_in(cache)
    yield cache
    keep_in(None)
    cache.close()


@pytest.fixture
def files(make_folder: Any, tmp_path: Path) -> list[Path]:
    return sorted(make_folder(tmp_path / "pictures", "ordinary", COUNT).iterdir())


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each call of an extractor was given."""
    given: list[int] = []
    real = FeatureExtractor.__call__

    def counted(self: FeatureExtractor, pixels: torch.Tensor) -> torch.Tensor:
        given.append(len(pixels))
        return real(self, pixels)

    monkeypatch.setattr(FeatureExtractor, "__call__", counted)
    return given


def scored(model: Any, paths: list[Path], skipped: list[Skipped] | None = None) -> dict[Path, Any]:
    """Path → logit, score and uncertainty, to compare with."""
    found = model.score_files(paths, [] if skipped is None else skipped)
    return {
        path: pytest.approx([float(s.logit), float(s.score), float(s.uncertainty)], abs=1e-5)
        for path, s in found
    }


def values(scores: dict[Path, Any]) -> dict[Path, Any]:
    return {path: approximate.expected for path, approximate in scores.items()}


@pytest.mark.parametrize("combined", [False, True])
def test_cached_files_score_the_same_and_in_order(
    combined: bool, small: RewardModel, files: list[Path], cache: DiskCache, reads: list[int]
) -> None:
    model = CombinedReward([small, small], [1.0, 0.5]) if combined else small
    some = files[1::3]
    scored(model, some)
    mixed = scored(model, files)
    assert list(mixed) == files
    assert sum(reads) == COUNT
    assert values(scored(model, files)) == mixed
    assert sum(reads) == COUNT
    keep_in(None)
    assert values(scored(model, files)) == mixed
    assert sum(reads) == 2 * COUNT


def test_a_file_is_known_by_its_content(
    small: RewardModel, files: list[Path], cache: DiskCache, reads: list[int], draw: Any
) -> None:
    before = scored(small, files)
    moved = files[0].rename(files[0].with_name("moved.png"))
    draw("liked", 99).save(files[1])
    reads.clear()
    files[2].unlink()
    skipped: list[Skipped] = []
    after = values(scored(small, [moved, files[2], files[1]], skipped))
    assert [entry.path for entry in skipped] == [files[2]]
    assert after[moved] == before[files[0]]
    assert after[files[1]] != before[files[1]]
    assert reads == [1]


def test_whatever_determines_the_numbers_is_part_of_the_key(
    small: RewardModel, cache: DiskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept(readout: Readout = small.reader.readout, trim: float = 0.0, about: str = "") -> bool:
        extractor = FeatureExtractor(small.backbone, readout)
        return FeatureCache(extractor, BorderTrim(trim)).get("00", about) is not None

    FeatureCache(small.reader, small.border_trim).put("00", {"features": torch.zeros(1)})
    taps = small.reader.readout.taps
    assert kept()
    assert not kept(Readout(taps, SecondLook("blurred", taps)))
    assert not kept(Readout(taps[:1]))
    assert not kept(trim=0.1)
    assert not kept(about="4 views")
    monkeypatch.setattr(torch, "__version__", "0.0")
    assert not kept()


def test_foreign_bytes_under_a_key_are_replaced(
    small: RewardModel, files: list[Path], cache: DiskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scored(small, files)
    monkeypatch.setattr(DiskCache, "get", lambda *_: b"something else")
    assert values(scored(small, files)) == first


def test_training_again_does_not_run_the_backbone(
    sets: Any, cache: DiskCache, reads: list[int], tmp_path: Path
) -> None:
    results = []
    for where in (None, cache, cache):
        keep_in(where)
        reads.clear()
        results.append(sets.train(neutralise="full"))
    assert reads == []
    assert len({sets.undated(result, tmp_path / f"{n}.safetensors") for n, result in enumerate(results)}) == 1
    assert results[0].warnings == results[1].warnings == results[2].warnings


def test_training_with_one_more_picture_runs_the_backbone_on_it_alone(
    sets: Any, cache: DiskCache, reads: list[int], draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "_PER_CLASS",
        "_FEWEST",
    ):  # else one training may compare more pictures with themselves than the other
        monkeypatch.setattr(invariance_test, name, 99)
    liked = shutil.copytree(sets.liked, tmp_path / "liked")
    settings = replace(sets.settings, neutralise="off")
    train(liked, sets.ordinary, settings)
    draw("liked", 501).save(liked / "new.png")
    reads.clear()
    train(liked, sets.ordinary, settings)
    assert len(reads) == 2, "its views, and its perturbed versions"
    assert reads[0] == settings.views
