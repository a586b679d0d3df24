"""Any number of files that cannot be read, anywhere among good ones: skipped, named and counted, and the rest done."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from ganrm_core.backbones.base import ExecutionPlan
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.data import image_cache
from ganrm_core.data.skipped_files import Skipped
from ganrm_core.rewards.combined import CombinedReward
from ganrm_core.rewards.discriminator import feature_extractor
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.config import TrainingSettings
from ganrm_core.training.trainer import train
from ganrm_core.utils.disk_cache import FILE, DiskCache, keep_in
from ganrm_core.utils.progress import Progress

Ganrm = Callable[..., Any]

COUNT, BATCH = 8, 2
WINDOWS = [range(1), range(7, 8), range(1, 3), range(2, 4), range(2, 6), range(3, 8), range(1, 8), range(8)]
"""Runs of bad files among the eight: the first, the last, a whole group, parts of two, all but one, all."""
_random = random.Random(0)


def spoil(path: Path, how: int) -> None:
    """Noise, nothing, cut short, a folder, a link to nowhere, or no file at all."""
    content = path.read_bytes()
    path.unlink()
    match how % 6:
        case 0 | 1 | 2:
            path.write_bytes((_random.randbytes(400), b"", content[:200])[how % 6])
        case 3:
            path.mkdir()
        case 4:
            path.symlink_to("nowhere.png")


@pytest.fixture(params=["one after the other", "side by side"])
def in_threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tiny_file: Path) -> bool:
    """Whether the backbone of these tests runs in several threads; in groups of two pictures either way."""
    threads: bool = request.param == "side by side"
    kind = type(load_backbone(f"file:{tiny_file}"))
    read, alone = kind.features, Lock()

    def one_at_a_time(*arguments: Any, **named: Any) -> Any:
        with alone:  # its hooks are not thread-safe; those that decode and call it are what is tested
            return read(*arguments, **named)

    plan = ExecutionPlan(BATCH, channels_last=False, side_by_side=threads)
    monkeypatch.setattr(kind, "features", one_at_a_time)
    monkeypatch.setattr(kind, "plan", lambda *_: plan)
    monkeypatch.setattr(feature_extractor, "threads_to_share", lambda: 2)
    return threads


@pytest.fixture
def model(in_threads: bool, tiny_file: Path, untrained_model: Any) -> RewardModel:
    model: RewardModel = untrained_model(f"file:{tiny_file}")
    assert model.reader.threads == (2 if in_threads else 0)
    return model


@pytest.fixture(params=["no cache", "cold", "warm"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param != "no cache":
        keep_in(DiskCache(tmp_path / "cache" / FILE, 10**8))
    yield request.param
    keep_in(None)


@pytest.fixture
def files(make_folder: Any, tmp_path: Path) -> list[Path]:
    return sorted(make_folder(tmp_path / "pictures", "liked", COUNT).iterdir())


def spoilt(files: Sequence[Path], window: Sequence[int], folder: Path) -> list[Path]:
    """Copies of the files in `folder`, of which those in the window cannot be read."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    copies = [Path(shutil.copy(path, folder)) for path in files]
    for place in window:
        spoil(copies[place], place)
    return copies


def logits(reward: Any, paths: list[Path]) -> tuple[dict[str, float], list[Skipped]]:
    skipped: list[Skipped] = []
    return {path.name: float(s.logit) for path, s in reward.score_files(paths, skipped)}, skipped


@pytest.mark.parametrize("kind", ["a model", "two on one backbone", "two backbones"])
def test_files_are_scored_around_any_run_of_bad_ones(
    kind: str, model: RewardModel, untrained_model: Any, make_clip_vision: Any, files: list[Path], cache: str, tmp_path: Path
) -> None:  # fmt: skip
    reward: Any = model
    if kind != "a model":
        other = f"file:{make_clip_vision(tmp_path / 'other.safetensors', 9)}"
        reward = CombinedReward([model, model if "one" in kind else untrained_model(other)])
    expected, _ = logits(reward, files) if cache != "cold" else ({}, [])
    for window in WINDOWS:
        copies = spoilt(files, window, tmp_path / "copies")
        found, skipped = logits(reward, copies)
        good = [path.name for place, path in enumerate(copies) if place not in window]
        assert list(found) == good, window
        assert [entry.path for entry in skipped] == [copies[place] for place in window], window
        assert all(entry.reason for entry in skipped)
        expected = expected or logits(reward, files)[0]
        assert found == pytest.approx({name: expected[name] for name in good}, abs=1e-5), window


@pytest.fixture
def sets(make_folder: Any, tmp_path: Path) -> dict[str, Path]:
    """Twelve good pictures of each kind, and seven bad ones before, among and after them."""
    folders = {kind: make_folder(tmp_path / kind, kind, 12) for kind in ("liked", "ordinary")}
    for kind, folder in folders.items():
        for number, after in enumerate(("a", *[f"{kind}05"] * 5, f"{kind}11")):
            content = _random.randbytes(300) if number % 2 else b""
            (folder / f"{after} bad{number}.png").write_bytes(content)
    return folders


@pytest.mark.usefixtures("in_threads")
@pytest.mark.parametrize("in_threads", ["side by side"], indirect=True)
def test_files_that_go_while_training_reads_them(
    sets: dict[str, Path], tiny_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_cache, "_MOST_BYTES", 0)  # so that every picture is decoded again
    gone = [*sorted(sets["liked"].glob("liked??.png"))[:2], sets["ordinary"] / "ordinary11.png"]

    def remove(step: Progress) -> None:
        if step.stage == "reading pictures" and step.done == 0:
            for path in gone:
                path.unlink()

    settings = TrainingSettings(backbone=f"file:{tiny_file}", views=1)
    result = train(sets["liked"], sets["ordinary"], settings, progress=remove)
    assert (result.n_liked, result.n_ordinary) == (10, 11)
    assert [entry.path for entry in result.skipped[-3:]] == gone
    assert result.model.card["provenance"]["n_skipped"] == 14 + 3
    known = result.known
    assert known is not None
    assert len(known.table.file_stats) == len(known.table.hashes) == len(known.features) == 21
    assert not set(gone) & set(known.table.paths)
    assert "17 files were skipped" in " ".join(result.warnings)
