"""Trained models kept on disk."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def kit(pack: Any, taste: Any) -> Any:
    """The cache's module, a real training result with its files, and a way to load its backbone."""
    training, sets = pack.module("ganrm_core.training.trainer"), pack.module("ganrm_core.data.labelled_files")
    load_backbone = pack.module("ganrm_core.backbones.registry").load_backbone
    files = sets.find_training_files(taste.liked, taste.ordinary)
    settings = training.TrainingSettings(views=1)
    result = training.train_on_files(files, settings, load=load_backbone, name="first")
    return SimpleNamespace(
        module=pack.module("nodes.training.result_cache"),
        sets=sets,
        files=files,
        settings=settings,
        result=result,
        load=lambda _: load_backbone("efficientnet_lite0"),
    )


@pytest.fixture
def cache(kit: Any, tmp_path: Path) -> Any:
    return kit.module.TrainingCache(tmp_path / "training")


def entries(cache: Any) -> list[Path]:
    return sorted(path for path in cache.folder.iterdir() if not path.name.startswith("."))


def fill(cache: Any, kit: Any, keys: str) -> None:
    for age, key in enumerate(reversed(keys)):
        cache.store(key * 40, kit.result, kit.files)
        (path,) = cache.folder.glob(f"{key * 40}-*")
        os.utime(path, (1e9 - age, 1e9 - age))


class TestKey:
    def key(self, kit: Any, liked: Path, ordinary: Path, identity: str = "b", **changes: Any) -> str:
        files = kit.sets.find_training_files(liked, ordinary)
        settings = type(kit.settings)(**{"views": 1, **changes})
        key: str = kit.module.training_key(files, settings, identity)
        return key

    def test_content_counts_and_names_do_not(
        self, kit: Any, tmp_path: Path, make_pictures: Callable[..., list[Path]]
    ) -> None:
        liked, ordinary = tmp_path / "liked", tmp_path / "ordinary"
        paths = make_pictures(liked, "liked", 11)
        make_pictures(ordinary, "ordinary", 10)
        before = self.key(kit, liked, ordinary)
        paths[0].rename(liked / "zebra.png")
        liked.rename(tmp_path / "moved")
        liked = tmp_path / "moved"
        assert self.key(kit, liked, ordinary) == before
        (liked / "zebra.png").unlink()
        assert self.key(kit, liked, ordinary) != before
        make_pictures(liked, "liked", 1)
        assert self.key(kit, liked, ordinary) == before
        make_pictures(liked, "liked", 1, first=30)
        assert self.key(kit, liked, ordinary) != before

    def test_a_changed_file_of_the_same_name(
        self, kit: Any, tmp_path: Path, make_pictures: Callable[..., list[Path]]
    ) -> None:
        liked, ordinary = tmp_path / "liked", tmp_path / "ordinary"
        path = make_pictures(liked, "liked", 10)[0]
        make_pictures(ordinary, "ordinary", 10)
        before = self.key(kit, liked, ordinary)
        path.write_bytes(path.read_bytes() + b"\0")
        assert self.key(kit, liked, ordinary) != before

    def test_the_sets_are_not_exchangeable(self, kit: Any, taste: Any) -> None:
        assert self.key(kit, taste.liked, taste.ordinary) != self.key(kit, taste.ordinary, taste.liked)

    @pytest.mark.parametrize("change", [{"seed": 1}, {"views": 2}, {"preset": "paper"}, {"adapt": "lora"}])
    def test_every_setting_counts(self, kit: Any, taste: Any, change: dict[str, Any]) -> None:
        sets = (taste.liked, taste.ordinary)
        assert self.key(kit, *sets, **change) != self.key(kit, *sets)

    def test_the_backbone_counts_by_identity_alone(self, kit: Any, taste: Any) -> None:
        sets = (taste.liked, taste.ordinary)
        assert self.key(kit, *sets, "file:abc") != self.key(kit, *sets, "file:def")
        assert self.key(kit, *sets, "file:abc", backbone="file:one") == self.key(
            kit, *sets, "file:abc", backbone="file:two"
        )

    def test_a_new_way_of_training_makes_the_old_results_void(
        self, kit: Any, taste: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = self.key(kit, taste.liked, taste.ordinary)
        monkeypatch.setattr(kit.module, "METHOD", kit.module.METHOD + 1)
        assert self.key(kit, taste.liked, taste.ordinary) != before


class TestRoundTrip:
    def test_everything_comes_back_under_the_new_name(self, kit: Any, cache: Any) -> None:
        cache.store("a" * 40, kit.result, kit.files)
        kept = cache.load("a" * 40, kit.files, name="second", load=kit.load)
        assert kept.model.name == "second"
        assert kept.model.to_bytes() == kit.result.model.to_bytes()
        for field in ("figures", "held_out_paths", "history", "skipped", "warnings", "seconds"):
            assert getattr(kept, field) == getattr(kit.result, field)
        assert (kept.n_liked, kept.n_ordinary) == (12, 13)
        np.testing.assert_array_equal(kept.held_out_labels, kit.result.held_out_labels)
        np.testing.assert_array_equal(kept.held_out_scores, kit.result.held_out_scores)

    def test_pictures_are_found_where_they_are_now(
        self, kit: Any, cache: Any, taste: Any, tmp_path: Path
    ) -> None:
        cache.store("a" * 40, kit.result, kit.files)
        moved = {}
        for kind in ("liked", "ordinary"):
            (tmp_path / kind).mkdir()
            for path in sorted(getattr(taste, kind).iterdir(), reverse=True):
                moved[path] = tmp_path / kind / f"{len(moved):03}.png"
                moved[path].write_bytes(path.read_bytes())
        files = kit.sets.find_training_files(tmp_path / "liked", tmp_path / "ordinary")
        kept = cache.load("a" * 40, files, name="x", load=kit.load)
        assert kept.held_out_paths == [moved[path] for path in kit.result.held_out_paths]

    def test_an_unknown_key(self, kit: Any, cache: Any) -> None:
        assert cache.load("b" * 40, kit.files, name="x", load=kit.load) is None
        cache.store("a" * 40, kit.result, kit.files)
        assert cache.load("b" * 40, kit.files, name="x", load=kit.load) is None


class TestDamage:
    @pytest.mark.parametrize("place", [0, 100, -1, "cut", "empty"])
    def test_counts_as_absent_is_logged_and_replaced(
        self, kit: Any, cache: Any, place: int | str, caplog: pytest.LogCaptureFixture
    ) -> None:
        cache.store("a" * 40, kit.result, kit.files)
        (path,) = entries(cache)
        content = bytearray(path.read_bytes())
        if isinstance(place, int):
            content[place] ^= 1
        else:
            content = content[: len(content) // 2] if place == "cut" else bytearray()
        path.write_bytes(content)
        with caplog.at_level(logging.WARNING):
            assert cache.load("a" * 40, kit.files, name="x", load=kit.load) is None
        assert path.name in caplog.text
        assert entries(cache) == []
        cache.store("a" * 40, kit.result, kit.files)
        assert cache.load("a" * 40, kit.files, name="x", load=kit.load) is not None

    def test_other_weights_under_the_same_name(
        self, kit: Any, cache: Any, pack: Any, folders: Any, make_vision_file: Callable[..., Path]
    ) -> None:
        cache.store("a" * 40, kit.result, kit.files)
        other = make_vision_file(folders.models / "other.safetensors")
        load_backbone = pack.module("ganrm_core.backbones.registry").load_backbone
        assert (
            cache.load("a" * 40, kit.files, name="x", load=lambda _: load_backbone(f"file:{other}")) is None
        )
        assert cache.load("a" * 40, kit.files, name="x", load=kit.load) is not None

    def test_a_cancel_while_the_backbone_loads_passes_through(self, kit: Any, cache: Any) -> None:
        class CancelError(Exception):
            pass

        def cancel(_: str) -> Any:
            raise CancelError

        cache.store("a" * 40, kit.result, kit.files)
        with pytest.raises(CancelError):
            cache.load("a" * 40, kit.files, name="x", load=cancel)
        assert len(entries(cache)) == 1

    def test_a_folder_that_cannot_be_written_loses_no_training(
        self, kit: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "file").touch()
        cache = kit.module.TrainingCache(tmp_path / "file" / "training")
        with caplog.at_level(logging.WARNING):
            cache.store("a" * 40, kit.result, kit.files)
        assert "cannot be kept" in caplog.text
        assert cache.load("a" * 40, kit.files, name="x", load=kit.load) is None

    def test_a_crash_in_the_middle_leaves_no_entry(
        self, kit: Any, cache: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def crash(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "write_bytes", crash)
        with pytest.raises(KeyboardInterrupt):
            cache.store("a" * 40, kit.result, kit.files)
        assert list(cache.folder.iterdir()) == []


class TestSize:
    def test_the_least_recently_used_go_first(self, kit: Any, cache: Any) -> None:
        fill(cache, kit, "abc")
        (oldest,) = cache.folder.glob("a*")
        assert cache.load("a" * 40, kit.files, name="x", load=kit.load) is not None  # used just now
        small = kit.module.TrainingCache(cache.folder, most_entries=3)
        small.store("d" * 40, kit.result, kit.files)
        assert [path.name[0] for path in entries(cache)] == ["a", "c", "d"]
        assert oldest.exists()

    def test_bytes_are_capped_too(self, kit: Any, cache: Any) -> None:
        fill(cache, kit, "ab")
        size = entries(cache)[0].stat().st_size
        small = kit.module.TrainingCache(cache.folder, most_bytes=2 * size + size // 2)
        small.store("c" * 40, kit.result, kit.files)
        assert [path.name[0] for path in entries(cache)] == ["b", "c"]

    def test_another_process_that_removes_the_same_entries_is_no_error(
        self, kit: Any, cache: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(cache, kit, "abc")
        listed = type(cache)._entries

        def then_gone(self: Any, pattern: str) -> list[Path]:
            paths: list[Path] = listed(self, pattern)
            for path in paths:
                path.unlink()
            return paths

        monkeypatch.setattr(type(cache), "_entries", then_gone)
        kit.module.TrainingCache(cache.folder, most_entries=1).store("d" * 40, kit.result, kit.files)
        assert entries(cache) == []

    def test_what_a_crash_left_is_swept_up_and_work_in_progress_is_not(self, kit: Any, cache: Any) -> None:
        cache.folder.mkdir()
        old, young = (cache.folder / f".{name}.part.safetensors" for name in ("old", "young"))
        old.touch()
        young.touch()
        os.utime(old, (1e9, 1e9))
        cache.store("a" * 40, kit.result, kit.files)
        assert not old.exists()
        assert young.exists()

    def test_an_entry_names_no_folder_of_this_machine(self, kit: Any, cache: Any, taste: Any) -> None:
        cache.store("a" * 40, kit.result, kit.files)
        content = entries(cache)[0].read_bytes()
        assert json.dumps(str(taste.liked.parent))[1:-1].encode() not in content
