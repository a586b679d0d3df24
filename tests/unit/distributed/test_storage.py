"""Folders on local and other filesystems: names, whole files, and what cannot be reached."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from ganrm_core.distributed.storage import Folder, is_url
from ganrm_core.utils.errors import DataError, OutputError

pytest.importorskip("pyarrow")


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """An empty folder on the disk, and one that only fsspec knows."""
    if request.param == "local":
        return Folder(str(tmp_path))
    pytest.importorskip("fsspec")
    return Folder(f"memory://{tmp_path.name}-{request.node.name[:20]}")


@pytest.mark.parametrize(
    ("place", "url"),
    [("s3://bucket/a", True), ("gs://b", True), ("memory://x", True), ("/a/b", False), ("C://a", False)],
)
def test_urls_are_told_from_paths(place: str, url: bool) -> None:
    assert is_url(place) is url


def test_files_are_written_read_listed_and_removed(folder: Folder) -> None:
    assert folder.names("deep") == []
    folder.write("deep/er/b.bin", b"one")
    folder.write("deep/er/b.bin", b"two")
    folder.write("deep/er/a.bin", b"")
    assert folder.read("deep/er/b.bin") == b"two"
    assert folder.names("deep/er") == ["a.bin", "b.bin"]
    assert folder.exists("deep/er/a.bin")
    folder.remove_file("deep/er/a.bin")
    assert not folder.exists("deep/er/a.bin")
    folder.remove_folder("deep")
    folder.remove_folder("deep")
    assert not folder.exists("deep")


def test_a_folder_travels_to_a_process_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    folder = pickle.dumps(Folder("in"))
    monkeypatch.chdir("/")
    assert pickle.loads(folder).read("a") == b"1"


def test_urls_may_have_spaces_and_accents(tmp_path: Path) -> None:
    (tmp_path / "été 1").mkdir()
    (tmp_path / "été 1" / "a").write_bytes(b"1")
    assert Folder(f"file://{tmp_path.as_posix()}/été 1").read("a") == b"1"


def test_a_file_that_is_gone_is_removed_without_complaint(folder: Folder) -> None:
    folder.write("b.bin", b"")
    folder.remove_file("a.bin")
    assert folder.names() == ["b.bin"]


def test_what_another_process_writes_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
    folder, looks = Folder(f"memory://{tmp_path.name}-two"), []
    monkeypatch.setattr(memory, "invalidate_cache", lambda _, path=None: looks.append(path))
    folder.names()
    folder.exists("a")
    assert len(looks) == 2


@pytest.mark.parametrize("ask", [lambda f: f.read("a"), lambda f: f.exists("a"), lambda f: f.names("a")])
def test_errors_of_a_store_are_ours(
    ask: Callable[[Folder], object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem

    def refuse(*args: object, **options: object) -> None:
        raise RuntimeError("403, message='Forbidden'\nand a page of HTML")

    folder = Folder(f"memory://{tmp_path.name}-three")
    for name in ("info", "find", "ls", "cat_file"):
        monkeypatch.setattr(memory, name, refuse)
    with pytest.raises(
        DataError, match=r"Cannot read .*: 403, message='Forbidden'\. Check its name and your access"
    ):
        ask(folder)


def test_users_see_paths_and_urls() -> None:
    assert Folder("/data/in").url_of("a/b.png") == "/data/in/a/b.png"
    pytest.importorskip("fsspec")
    assert Folder("memory://in/").url_of("a/b.png") == "memory://in/a/b.png"


def test_an_unknown_filesystem_is_named() -> None:
    with pytest.raises(DataError, match=r"Cannot reach \"nonsense://place\""):
        Folder("nonsense://place")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"file/a\.bin"):
        Folder(str(tmp_path / "file")).write("a.bin", b"1")
