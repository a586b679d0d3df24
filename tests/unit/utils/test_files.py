"""Atomic output files: complete or absent, never overwriting, with advice where the disk refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from unit_support.failing_disk import names, refuse, refuse_creating

from ganrm_core.utils import files
from ganrm_core.utils.errors import NameTakenError, OutputError
from ganrm_core.utils.files import (
    atomic_file,
    check_new_file,
    expand_home,
    free_name,
    shown,
    write_new,
    write_new_file,
)

DISK_TROUBLE = [
    (errno.ENOSPC, "disk is full.*Free some space"),
    (errno.EDQUOT, "quota is used up.*Free some space"),
    (errno.EROFS, "read-only.*Choose a folder"),
    (errno.EACCES, "no permission.*Change the folder's permissions"),
    (errno.EIO, "Choose another folder and try again"),
]


def write(
    path: Path, content: bytes = b"x", *, overwrite: bool = False, meanwhile: Callable[[], object] = dict
) -> None:
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)
        meanwhile()


def test_paths_in_messages_are_on_one_line() -> None:
    text = r'"a b/ü 画, two\nlines\t\x1b[0m, bytes\udcff.png"'
    path = "a b/ü 画, two\nlines\t\x1b[0m, bytes\udcff.png"
    assert shown(path) == shown(Path(path)) == text


class TestCheckNewFile:
    def test_what_exists_is_never_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "old.bin").write_bytes(b"old")
        (tmp_path / "folder").mkdir()
        (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
        for name, kind in (("old.bin", "a file"), ("folder", "a folder"), ("nowhere", "a file")):
            with pytest.raises(OutputError, match=f"the model.*{name}.*{kind}.*already exists.*another name"):
                check_new_file(tmp_path / name, what="the model")

    def test_missing_folders_and_a_file_in_place_of_one(self, tmp_path: Path) -> None:
        path = tmp_path / "a" / "b" / "new.bin"
        with pytest.raises(OutputError, match=r"folder does not exist.*Create the folder"):
            check_new_file(path, what="the model")
        assert names(tmp_path) == []
        check_new_file(path, what="the model", make_folders=True)
        assert names(path.parent) == []
        (path.parent / "file").touch()

        for make_folders in (False, True):
            with pytest.raises(OutputError, match="Cannot write the model"):
                check_new_file(
                    path.parent / "file" / "sub" / "a", what="the model", make_folders=make_folders
                )
            with pytest.raises(OutputError, match="is a file, not a folder"):
                check_new_file(path.parent / "file" / "a", what="the model", make_folders=make_folders)

    @pytest.mark.parametrize(("code", "message"), DISK_TROUBLE)
    def test_a_folder_that_cannot_be_written(
        self, code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refuse_creating(code, monkeypatch)
        with pytest.raises(OutputError, match=f"the model.*new.bin.*{message}"):
            check_new_file(tmp_path / "new.bin", what="the model")
        with pytest.raises(OutputError, match=f"new.bin.*{message}"):
            write(tmp_path / "new.bin")


class TestAtomicFile:
    def test_appears_complete_and_only_then(self, tmp_path: Path) -> None:
        target = tmp_path / "model.safetensors"
        with atomic_file(target) as temporary:
            assert (temporary.parent, temporary.suffix) == (tmp_path, ".safetensors")
            assert temporary.name.startswith(".")
            temporary.write_bytes(b"content")
            assert not target.exists()
        assert target.read_bytes() == b"content"
        assert names(tmp_path) == ["model.safetensors"]
        (tmp_path / "plain").touch()
        assert target.stat().st_mode == (tmp_path / "plain").stat().st_mode

    @pytest.mark.parametrize("error", [FileNotFoundError(), KeyboardInterrupt(), OSError(errno.EIO, "")])
    @pytest.mark.parametrize("overwrite", [False, True])
    def test_an_exception_leaves_everything_as_it_was(
        self, error: BaseException, overwrite: bool, tmp_path: Path
    ) -> None:
        if overwrite:
            (tmp_path / "model").write_bytes(b"old")

        def fail() -> None:
            raise error

        with pytest.raises(type(error)) as caught:
            write(tmp_path / "model", b"half", overwrite=overwrite, meanwhile=fail)
        assert caught.value is error
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == (
            {"model": b"old"} if overwrite else {}
        )

    @pytest.mark.parametrize("code", [None, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
    def test_a_file_that_appears_meanwhile_survives_with_and_without_hard_links(
        self, code: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if code:
            monkeypatch.setattr(os, "link", refuse(code))
        with pytest.raises(OutputError, match="already exists and is never overwritten"):
            write(tmp_path / "model", meanwhile=lambda: (tmp_path / "model").write_bytes(b"theirs"))
        assert (tmp_path / "model").read_bytes() == b"theirs"
        for content in (b"old", b"new"):
            write(tmp_path / "other", content, overwrite=True)
            assert (tmp_path / "other").read_bytes() == content
        assert names(tmp_path) == ["model", "other"]

    @pytest.mark.parametrize("step", ["fsync", "link", "replace"])
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
    def test_trouble_at_the_end(
        self, step: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if step == "replace":
            monkeypatch.setattr(os, "link", refuse(errno.EPERM))
            monkeypatch.setattr(Path, "replace", refuse(code))
        else:
            monkeypatch.setattr(os, step, refuse(code))
        with pytest.raises(OutputError, match="Cannot write the file"):
            write(tmp_path / "model")
        assert names(tmp_path) == []

    def test_long_names_and_missing_folders(self, tmp_path: Path) -> None:
        write(tmp_path / ("ü" * 120 + ".png"))
        with pytest.raises(OutputError, match=r"name is too long.*shorter"):
            write(tmp_path / ("n" * 300))
        with pytest.raises(OutputError, match="folder does not exist"):
            write(tmp_path / "no" / "model")
        assert len(names(tmp_path)) == 1


def pair(folder: Path, content: bytes = b"mine") -> Callable[[str], dict[Path, bytes]]:
    return lambda number: {folder / f"a{number}.x": content, folder / f"a{number}.y": content}


class TestWriteNew:
    @pytest.mark.parametrize("links", [True, False])
    @pytest.mark.parametrize("taken", ["a.x", "a.y"])
    def test_files_that_appear_at_the_last_moment_take_the_next_number(
        self, taken: str, links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish = files._publish

        def late(temporary: Path, target: Path) -> None:
            if target.name == taken and not target.exists():
                target.write_bytes(b"theirs")
            publish(temporary, target)

        monkeypatch.setattr(files, "_publish", late)
        if not links:
            monkeypatch.delattr(os, "link")
        assert write_new(pair(tmp_path)) == [tmp_path / "a (2).x", tmp_path / "a (2).y"]
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
            taken: b"theirs",
            "a (2).x": b"mine",
            "a (2).y": b"mine",
        }
        assert write_new_file(tmp_path / "a (2).x", b"more") == tmp_path / "a (2) (2).x"

    def test_many_at_once_lose_nothing(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: write_new(pair(tmp_path, b"%d" % number)), range(20)))
        content = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert len(content) == 40
        assert all(content[name] == content[f"{name[:-1]}y"] for name in content if name.endswith("x"))

    def test_what_is_written_already_is_said_and_stays(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link = os.link

        def full(source: Path, target: Path) -> None:
            (refuse(errno.ENOSPC) if target.suffix == ".y" else link)(source, target)

        monkeypatch.setattr(os, "link", full)
        with pytest.raises(OutputError, match=r"disk is full.* Written already: .*a\.x") as caught:
            write_new(pair(tmp_path))
        assert not isinstance(caught.value, NameTakenError)
        assert names(tmp_path) == ["a.x"]


def test_free_names_count_up_and_are_plain(tmp_path: Path) -> None:
    for expected in ("a b.png", "a b (2).png", "a b (3).png"):
        path = free_name(tmp_path, "a b.png")
        assert path == tmp_path / expected
        path.touch()
    (tmp_path / "plain").symlink_to(tmp_path / "gone")
    assert free_name(tmp_path, "plain") == tmp_path / "plain (2)"
    for name in ("", ".", "..", "a/b.png", "../a.png", "/etc/passwd"):
        with pytest.raises(OutputError, match="not a plain file name"):
            free_name(tmp_path, name)


def test_a_home_folder_that_there_is_not() -> None:
    assert expand_home("~nobody-of-this-name/pictures") == Path("~nobody-of-this-name/pictures")
