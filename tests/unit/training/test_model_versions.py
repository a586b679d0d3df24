"""Series of saved models, and writing a model where another lies."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from unittest.mock import Mock

import pytest

from ganrm_core.training.feature_archive import archive_path
from ganrm_core.training.model_versions import newest, series_of, write_replacing
from ganrm_core.utils import files
from ganrm_core.utils.errors import OutputError


def test_series() -> None:
    for stem, series in (
        ("taste", "taste"),
        ("taste (2)", "taste"),
        ("taste (two)", "taste (two)"),
        ("taste(2)", "taste(2)"),
        ("taste (2) (3)", "taste (2)"),
        ("taste (before 2026-11-28 19.20.05)", None),
        ("taste (before 2026-11-28 19.20.05) (2)", None),
        ("taste (before the sea)", "taste (before the sea)"),
    ):
        assert series_of(stem) == series


def test_newest(tmp_path: Path) -> None:
    assert newest([]) is None
    assert newest([tmp_path / "absent.safetensors"]) is None
    paths = [tmp_path / name for name in ("a.safetensors", "a (2).safetensors", "a (10).safetensors")]
    for path in paths:
        path.touch()
        os.utime(path, (1000, 1000))
    assert newest(paths) == paths[2]
    os.utime(paths[0], (2000, 2000))
    assert newest(paths) == paths[0]


class TestWriteReplacing:
    def test_a_full_disk_moves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "a.safetensors"
        path.write_bytes(b"old")

        monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(28, "No space left on device")))
        with pytest.raises(OutputError, match="disk is full"):
            write_replacing(path, b"new")
        assert path.read_bytes() == b"old"
        assert [each.name for each in tmp_path.iterdir()] == ["a.safetensors"]

    def test_what_cannot_be_moved(self, tmp_path: Path) -> None:
        path = tmp_path / "a.safetensors"
        path.mkdir()
        with pytest.raises(OutputError, match=r"Cannot put .* aside"):
            write_replacing(path, b"new")
        assert [each.name for each in tmp_path.iterdir()] == ["a.safetensors"]

    @pytest.mark.parametrize("links", [True, False])
    def test_the_name_is_never_without_a_model(
        self, links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, archive = tmp_path / "a.safetensors", tmp_path / "a.features.safetensors"
        path.write_bytes(b"old")
        archive.write_bytes(b"features")
        replace = Path.replace

        def last_moment(self: Path, target: Path) -> Path:
            aside = list(tmp_path.glob("a (before*"))
            assert (path.read_bytes(), sorted(each.read_bytes() for each in aside)) == (
                b"old",
                [b"features", b"old"],
            )
            assert not archive.exists()
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", last_moment)
        if not links:
            monkeypatch.setattr(os, "link", Mock(side_effect=OSError(1, "Operation not permitted")))
            monkeypatch.setattr(files, "_publish", Path.rename)
        aside = write_replacing(path, b"new")
        assert aside is not None
        assert (path.read_bytes(), aside.read_bytes()) == (b"new", b"old")
        assert archive_path(aside).read_bytes() == b"features"

    def test_many_at_once_lose_none(self, tmp_path: Path) -> None:
        path = tmp_path / "a.safetensors"
        contents = [b"content %d" % number for number in range(12)]
        assert write_replacing(path, contents[0]) is None  # nothing in the way
        threads = [threading.Thread(target=write_replacing, args=(path, content)) for content in contents[1:]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(each.read_bytes() for each in tmp_path.iterdir()) == sorted(contents)
