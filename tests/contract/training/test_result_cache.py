"""The disk cache of training results."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract_support.pack import Pack

from ganrm_core.utils.partial_files import partial_file

KEY = "a" * 40


class Kit:
    """A real training result with its files, and what stores, loads and keys it."""

    def __init__(self, pack: Pack, taste: Any, training: Any) -> None:
        self.module = pack.module("nodes.training.result_cache")
        self.load_backbone = pack.module("ganrm_core.backbones.registry").load_backbone
        self.find = pack.module("ganrm_core.data.labelled_files").find_training_files
        self.files = self.find(taste.liked, taste.ordinary)
        self.settings = pack.module("ganrm_core.training.config").TrainingSettings(views=1)
        self.result = training

    def store(self, cache: Any, key: str = KEY) -> None:
        cache.store(key, self.result, self.files)

    def load(self, cache: Any, key: str = KEY, backbone: Any = None, **more: Any) -> Any:
        given = {"files": self.files, "name": "x", "load": backbone or (lambda _: self.result.model.backbone)}
        return cache.load(key, **{**given, **more})

    def key(self, liked: Path, ordinary: Path, identity: str = "b", **changes: Any) -> Any:
        settings = dataclasses.replace(self.settings, **changes)
        return self.module.training_key(self.find(liked, ordinary), settings, identity)


@pytest.fixture(scope="module")
def kit(pack: Pack, taste: Any, training: Any) -> Kit:
    return Kit(pack, taste, training)


@pytest.fixture
def cache(kit: Kit, tmp_path: Path) -> Any:
    return kit.module.TrainingCache(tmp_path / "training")


def entries(cache: Any) -> list[Path]:
    return sorted(path for path in cache.folder.iterdir() if not path.name.startswith("."))


def fill(cache: Any, kit: Kit, keys: str) -> None:
    """One entry per letter, the first used last."""
    for age, letter in enumerate(reversed(keys)):
        kit.store(cache, letter * 40)
        (path,) = cache.folder.glob(f"{letter * 40}-*")
        os.utime(path, (1e9 - age, 1e9 - age))


class TestKey:
    def test_content_counts_and_names_do_not(self, kit: Kit, taste: Any, tmp_path: Path) -> None:
        liked = Path(shutil.copytree(taste.liked, tmp_path / "liked"))
        before = kit.key(liked, taste.ordinary)
        assert before == kit.key(taste.liked, taste.ordinary)
        first = sorted(liked.iterdir())[0].rename(liked / "zebra.png")
        assert kit.key(liked, taste.ordinary) == before
        content = first.read_bytes()
        first.write_bytes(content + b"\0")
        assert kit.key(liked, taste.ordinary) != before
        first.unlink()
        assert kit.key(liked, taste.ordinary) != before
        first.write_bytes(content)
        assert kit.key(liked, taste.ordinary) == before

    def test_every_setting_sets_backbone_and_method_count(
        self, kit: Kit, taste: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sets = (taste.liked, taste.ordinary)
        before = kit.key(*sets)
        assert kit.key(*sets, backbone="file:another name") == before, "its identity alone counts"
        changes = ({"seed": 1}, {"views": 2}, {"preset": "paper"}, {"adapt": "lora"}, {"identity": "another"})
        others = [kit.key(*reversed(sets)), *(kit.key(*sets, **change) for change in changes)]
        monkeypatch.setattr(kit.module, "METHOD", kit.module.METHOD + 1)
        assert len({before, *others, kit.key(*sets)}) == 8


class TestRoundTrip:
    def test_everything_comes_back_under_the_new_name(self, kit: Kit, cache: Any) -> None:
        assert kit.load(cache) is None
        kit.store(cache)
        assert kit.load(cache, "b" * 40) is None
        assert json.dumps(str(kit.files.liked[0].parent))[1:-1].encode() not in entries(cache)[0].read_bytes()
        kept = kit.load(cache, name="second")
        assert kept.model.name == "second"
        assert kept.model.to_bytes() == kit.result.model.to_bytes()
        for field in ("metrics", "held_out_paths", "history", "skipped", "warnings", "seconds", "leaks"):
            assert getattr(kept, field) == getattr(kit.result, field)
        assert (kept.n_liked, kept.n_ordinary) == (12, 13)
        np.testing.assert_array_equal(kept.held_out_labels, kit.result.held_out_labels)
        np.testing.assert_array_equal(kept.held_out_scores, kit.result.held_out_scores)

    def test_pictures_are_found_where_they_are_now(
        self, kit: Kit, cache: Any, taste: Any, tmp_path: Path
    ) -> None:
        kit.store(cache)
        moved = {}
        for folder in (taste.liked, taste.ordinary):
            (tmp_path / folder.name).mkdir()
            for path in sorted(folder.iterdir(), reverse=True):
                moved[path] = tmp_path / folder.name / f"{len(moved):03}.png"
                shutil.copy(path, moved[path])
        kept = kit.load(cache, files=kit.find(tmp_path / "liked", tmp_path / "ordinary"))
        assert kept.held_out_paths == [moved[path] for path in kit.result.held_out_paths]


class TestDamage:
    @pytest.mark.parametrize("place", [0, 100, -1, "cut"])
    def test_counts_as_absent_is_logged_and_replaced(
        self, kit: Kit, cache: Any, place: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        kit.store(cache)
        (path,) = entries(cache)
        content = bytearray(path.read_bytes())
        if place == "cut":
            content = content[: len(content) // 2]
        else:
            content[place] ^= 1
        path.write_bytes(content)
        assert kit.load(cache) is None
        assert path.name in caplog.text
        assert entries(cache) == []
        kit.store(cache)
        assert kit.load(cache) is not None

    def test_other_weights_under_the_same_name_keep_the_entry(
        self, kit: Kit, cache: Any, tmp_path: Path, make_vision_file: Callable[..., Path]
    ) -> None:
        kit.store(cache)
        other = kit.load_backbone(f"file:{make_vision_file(tmp_path / 'other.safetensors')}")
        assert kit.load(cache, backbone=lambda _: other) is None
        assert kit.load(cache) is not None

    def test_a_folder_that_cannot_be_written_loses_no_training(
        self, kit: Kit, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "file").touch()
        cache = kit.module.TrainingCache(tmp_path / "file" / "training")
        kit.store(cache)
        assert "cannot be kept" in caplog.text
        assert kit.load(cache) is None


class TestSize:
    def test_the_least_recently_used_go_first(self, kit: Kit, cache: Any) -> None:
        fill(cache, kit, "abc")
        assert kit.load(cache) is not None  # used just now
        kit.store(kit.module.TrainingCache(cache.folder, most_entries=3), "d" * 40)
        assert [path.name[0] for path in entries(cache)] == ["a", "c", "d"]
        size = entries(cache)[0].stat().st_size
        kit.store(kit.module.TrainingCache(cache.folder, most_bytes=2 * size + size // 2), "e" * 40)
        assert [path.name[0] for path in entries(cache)] == ["d", "e"]

    def test_partial_files_of_a_crash_are_removed_and_work_in_progress_is_not(
        self, kit: Kit, cache: Any
    ) -> None:
        cache.folder.mkdir()
        left = cache.folder / ".0123456789abcdef.part.safetensors"
        left.touch()
        with partial_file(cache.folder / "theirs.safetensors") as theirs:
            kit.store(cache)
            assert theirs.exists()
        assert not left.exists()
