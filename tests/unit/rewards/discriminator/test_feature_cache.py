"""A file's features are worked out once: the same numbers, and the backbone does not run again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ganrm_core.data.skipped_files import Skipped
from ganrm_core.rewards.combined import CombinedReward
from ganrm_core.rewards.discriminator import feature_cache
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.readout import Readout, SecondLook
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training import trainer
from ganrm_core.training.trainer import train
from ganrm_core.utils.disk_cache import FILE, DiskCache, keep_in

COUNT = 11


@pytest.fixture
def small(tiny_file: Path, untrained_model: Any) -> RewardModel:
    model: RewardModel = untrained_model(f"file:{tiny_file}")
    return model


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
    """How many pictures each call of a reader was given."""
    given: list[int] = []
    real = FeatureExtractor.__call__

    def counted(self: FeatureExtractor, pixels: torch.Tensor) -> torch.Tensor:
        given.append(len(pixels))
        return real(self, pixels)

    monkeypatch.setattr(FeatureExtractor, "__call__", counted)
    return given


def scored(model: Any, paths: list[Path], skipped: list[Skipped] | None = None) -> dict[Path, list[float]]:
    return {
        path: [float(s.logit), float(s.score), float(s.uncertainty)]
        for path, s in model.score_files(paths, [] if skipped is None else skipped)
    }


class TestScoring:
    def test_the_second_time_nothing_is_read_but_the_files(
        self, small: RewardModel, files: list[Path], cache: DiskCache, reads: list[int]
    ) -> None:
        first = scored(small, files)
        assert sum(reads) == COUNT
        again = scored(small, files)
        assert sum(reads) == COUNT
        for path in files:
            assert again[path] == pytest.approx(first[path], abs=1e-5)
        assert list(again) == files

    def test_it_gives_what_no_cache_gives(
        self, small: RewardModel, files: list[Path], cache: DiskCache
    ) -> None:
        first, kept = scored(small, files), scored(small, files)
        keep_in(None)
        for path, values in scored(small, files).items():
            assert values == pytest.approx(first[path], abs=1e-5)
            assert values == pytest.approx(kept[path], abs=1e-5)

    def test_new_files_among_old_ones_stay_in_order(
        self, small: RewardModel, files: list[Path], cache: DiskCache, reads: list[int]
    ) -> None:
        every = scored(small, files)
        cache.close()
        keep_in(DiskCache(cache.path.with_name("other.sqlite"), 10**8))
        some = files[1::3]
        scored(small, some)
        reads.clear()
        mixed = scored(small, files)
        assert list(mixed) == files
        assert sum(reads) == COUNT - len(some)
        for path in files:
            assert mixed[path] == pytest.approx(every[path], abs=1e-5)

    def test_pixels_read_before_are_not_read_again_in_other_company(
        self, small: RewardModel, cache: DiskCache, reads: list[int]
    ) -> None:
        store = feature_cache.FeatureCache(small.reader, small.border_trim)
        side = store.input_size
        pictures = torch.rand(5, 3, side, side, generator=torch.Generator().manual_seed(0))
        first = store.read(pictures[:3])
        mixed = store.read(pictures[[4, 1, 3, 2]])
        assert reads == [3, 2]
        torch.testing.assert_close(mixed[[1, 3]], first[[1, 2]], rtol=0, atol=0)
        keep_in(None)
        torch.testing.assert_close(mixed, store.read(pictures[[4, 1, 3, 2]]))

    def test_a_file_is_known_by_its_content(
        self, small: RewardModel, files: list[Path], cache: DiskCache, reads: list[int], draw: Any
    ) -> None:
        before = scored(small, files)
        moved = files[0].rename(files[0].with_name("moved.png"))
        draw("liked", 99).save(files[1])
        reads.clear()
        after = scored(small, [moved, files[1]])
        assert after[moved] == pytest.approx(before[files[0]], abs=1e-5)
        assert after[files[1]] != pytest.approx(before[files[1]], abs=1e-5)
        assert sum(reads) == 1

    def test_files_that_cannot_be_read_are_named_as_ever(
        self, small: RewardModel, files: list[Path], cache: DiskCache
    ) -> None:
        files[2].write_bytes(b"no picture")
        files[5].unlink()
        reasons: list[list[tuple[Path, str]]] = []
        for where in (cache, cache, None):
            keep_in(where)
            skipped: list[Skipped] = []
            assert len(scored(small, files, skipped)) == COUNT - 2
            reasons.append([(entry.path, entry.reason) for entry in skipped])
        assert reasons[0] == reasons[1] == reasons[2]
        assert [path for path, _ in reasons[0]] == [files[2], files[5]]

    @pytest.mark.parametrize("change", ["second look", "taps", "trim", "torch"])
    def test_whatever_decides_the_numbers_is_part_of_the_key(
        self,
        change: str,
        small: RewardModel,
        files: list[Path],
        cache: DiskCache,
        reads: list[int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        store = feature_cache.FeatureCache(small.reader, small.border_trim)
        store.put("00", {"features": torch.zeros(1)})
        assert store.get("00") is not None
        readout, path = small.reader.readout, small.border_trim
        if change == "second look":
            readout = replace(readout, second_look=SecondLook("blurred", readout.taps))
        elif change == "taps":
            readout = Readout(readout.taps[:1])
        elif change == "trim":
            path = type(path)(0.1)
        else:
            monkeypatch.setattr(torch, "__version__", "0.0")
        other = feature_cache.FeatureCache(FeatureExtractor(small.backbone, readout), path)
        assert other.get("00") is None

    def test_models_that_share_a_backbone_share_a_reading(
        self, small: RewardModel, files: list[Path], cache: DiskCache, reads: list[int]
    ) -> None:
        combined = CombinedReward([small, small], [1.0, 0.5])
        first = scored(combined, files)
        count = sum(reads)
        for path, values in scored(combined, files).items():
            assert values == pytest.approx(first[path], abs=1e-5)
        assert sum(reads) == count == COUNT

    def test_foreign_bytes_under_a_key_are_worked_out_again(
        self, small: RewardModel, files: list[Path], cache: DiskCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = scored(small, files)
        monkeypatch.setattr(DiskCache, "get", lambda *_: b"something else")
        for path, values in scored(small, files).items():
            assert values == pytest.approx(first[path], abs=1e-5)


class TestTraining:
    @pytest.mark.parametrize("neutralise", ["off", "full"])
    def test_trained_again_the_backbone_does_not_run(
        self, neutralise: Any, sets: Any, cache: DiskCache, reads: list[int], tmp_path: Path
    ) -> None:
        fresh = _trained(sets, neutralise, None)
        first = _trained(sets, neutralise, cache)
        reads.clear()
        again = _trained(sets, neutralise, cache)
        assert reads == []
        for other in (first, again):
            assert sets.undated(other, tmp_path / f"{id(other)}.safetensors") == sets.undated(
                fresh, tmp_path / f"{id(other)} fresh.safetensors"
            )
            assert other.warnings == fresh.warnings

    def test_one_picture_more_costs_one_picture(
        self, sets: Any, cache: DiskCache, reads: list[int], draw: Any, tmp_path: Path
    ) -> None:
        liked = shutil.copytree(sets.liked, tmp_path / "liked")
        _trained(sets, "off", cache, liked)
        draw("liked", 500).save(liked / "new.png")
        reads.clear()
        _trained(sets, "off", cache, liked)
        # Its views, and itself with its twins where it is among those compared under them.
        assert len(reads) <= 2
        assert reads[0] == sets.settings.views

    def test_a_file_that_was_another_for_a_while(
        self, sets: Any, cache: DiskCache, draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        liked = shutil.copytree(sets.liked, tmp_path / "liked")
        file, real = min(liked.iterdir()), trainer.scan_dataset
        own = file.read_bytes()

        def while_it_is_another(*given: Any, **options: Any) -> Any:
            draw("liked", 500).save(file)
            surveyed = real(*given, **options)
            file.write_bytes(own)
            return surveyed

        with monkeypatch.context() as patched:
            patched.setattr(trainer, "scan_dataset", while_it_is_another)
            _trained(sets, "off", cache, liked)
        kept = _trained(sets, "off", cache, liked).known.features
        assert torch.equal(kept, _trained(sets, "off", None, liked).known.features)


def _trained(sets: Any, neutralise: Any, cache: DiskCache | None, liked: Path | None = None) -> Any:
    keep_in(cache)
    return train(liked or sets.liked, sets.ordinary, replace(sets.settings, neutralise=neutralise))


def test_a_record_is_written_out_only_where_it_is_kept(cache: DiskCache) -> None:
    asked: list[str] = []

    def value() -> list[int]:
        asked.append("value")
        return [1, 2]

    feature_cache.put_record("kind", "content", value)
    assert feature_cache.get_record("kind", "content") == [1, 2]
    keep_in(None)
    feature_cache.put_record("kind", "content", value)
    assert (asked, feature_cache.get_record("kind", "content")) == (["value"], None)
