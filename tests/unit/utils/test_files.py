from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ganrm_core.utils.errors import OutputError
from ganrm_core.utils.files import atomic_file, check_new_file, shown


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refuse(code: int) -> Callable[..., None]:
    """Stands for a system call on a disk that is full, read-only… Works for root too."""

    def call(*arguments: object, **_: object) -> None:
        raise OSError(code, os.strerror(code), str(arguments[0]))

    return call


def refuse_creating(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """New files cannot be created; all else works."""
    real = os.open

    def guarded(path: str, flags: int, *rest: int, **more: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(code, os.strerror(code), str(path))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", guarded)


DISK_TROUBLE = [
    (errno.ENOSPC, "disk is full.*Free some space"),
    (errno.EDQUOT, "quota is used up.*Free some space"),
    (errno.EROFS, "read-only.*Choose a folder"),
    (errno.EACCES, "no permission.*Change the folder's permissions"),
    (errno.EIO, "Choose another folder and try again"),
]


class TestShown:
    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("a b/ü 画.png", '"a b/ü 画.png"'),
            ("two\nlines\t\x1b[0m", r'"two\nlines\t\x1b[0m"'),
            ("bytes\udcff", r'"bytes\udcff"'),
        ],
    )
    def test_fit_for_a_message(self, path: str, text: str) -> None:
        assert shown(path) == text
        assert shown(Path(path)) == text


class TestCheckNewFile:
    def test_a_free_name_is_fine_and_nothing_stays_behind(self, tmp_path: Path) -> None:
        check_new_file(tmp_path / "new.bin", what="the model")
        assert names(tmp_path) == []

    def test_what_exists_is_never_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "old.bin").write_bytes(b"old")
        (tmp_path / "folder").mkdir()
        (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
        for name, kind in (("old.bin", "a file"), ("folder", "a folder"), ("nowhere", "a file")):
            with pytest.raises(OutputError, match=f"the model.*{name}.*{kind}.*already exists.*another name"):
                check_new_file(tmp_path / name, what="the model")

    def test_missing_folders(self, tmp_path: Path) -> None:
        path = tmp_path / "a" / "b" / "new.bin"
        with pytest.raises(OutputError, match=r"folder does not exist.*Create the folder"):
            check_new_file(path, what="the model")
        assert names(tmp_path) == []
        check_new_file(path, what="the model", make_folders=True)
        assert path.parent.is_dir()
        assert not path.exists()

    @pytest.mark.parametrize("make_folders", [False, True])
    def test_a_file_where_a_folder_should_be(self, make_folders: bool, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        for path in (tmp_path / "file" / "new.bin", tmp_path / "file" / "sub" / "new.bin"):
            with pytest.raises(OutputError, match="Cannot write the model"):
                check_new_file(path, what="the model", make_folders=make_folders)
        with pytest.raises(OutputError, match="is a file, not a folder"):
            check_new_file(tmp_path / "file" / "new.bin", what="the model", make_folders=make_folders)
        assert (tmp_path / "file").read_bytes() == b"x"

    @pytest.mark.parametrize(("code", "message"), DISK_TROUBLE)
    def test_a_folder_that_cannot_be_written(
        self, code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refuse_creating(code, monkeypatch)
        with pytest.raises(OutputError, match=f"the model.*new.bin.*{message}"):
            check_new_file(tmp_path / "new.bin", what="the model")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing stops root")
    def test_a_folder_without_write_permission(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        try:
            with pytest.raises(OutputError, match="no permission"):
                check_new_file(tmp_path / "new.bin", what="the model")
        finally:
            tmp_path.chmod(0o700)

    @pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder nobody can write to")
    def test_a_folder_that_not_even_root_can_write(self) -> None:
        with pytest.raises(OutputError, match="Cannot write the model"):
            check_new_file(Path("/proc/self/new.bin"), what="the model")


class TestAtomicFile:
    def test_appears_complete_and_only_then(self, tmp_path: Path) -> None:
        target = tmp_path / "model.safetensors"
        with atomic_file(target) as temporary:
            assert temporary.parent == tmp_path
            assert temporary.suffix == ".safetensors"
            assert temporary.name.startswith(".")
            temporary.write_bytes(b"content")
            assert not target.exists()
        assert target.read_bytes() == b"content"
        assert names(tmp_path) == ["model.safetensors"]

    def test_permissions_follow_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0o022)
        try:
            with atomic_file(tmp_path / "a") as temporary:
                temporary.write_bytes(b"x")
        finally:
            os.umask(before)
        if os.name == "posix":
            assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644

    @pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError(errno.EIO, "other")])
    def test_an_exception_leaves_everything_as_it_was(self, error: BaseException, tmp_path: Path) -> None:
        def write(overwrite: bool) -> None:
            with atomic_file(target, overwrite=overwrite) as temporary:
                temporary.write_bytes(b"half")
                raise error

        target = tmp_path / "model"
        with pytest.raises(type(error)) as caught:
            write(overwrite=False)
        assert caught.value is error
        assert names(tmp_path) == []
        target.write_bytes(b"old")
        with pytest.raises(type(error)):
            write(overwrite=True)
        assert target.read_bytes() == b"old"
        assert names(tmp_path) == ["model"]

    @pytest.mark.parametrize("links", [True, False])
    def test_a_file_that_appears_meanwhile_survives(
        self, links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not links:
            monkeypatch.setattr(os, "link", refuse(errno.EPERM))

        def race() -> None:
            with atomic_file(target) as temporary:
                temporary.write_bytes(b"mine")
                target.write_bytes(b"theirs")

        target = tmp_path / "model"
        with pytest.raises(OutputError, match="already exists and is never overwritten"):
            race()
        assert target.read_bytes() == b"theirs"
        assert names(tmp_path) == ["model"]

    @pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
    def test_disks_without_hard_links(
        self, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "link", refuse(code))
        with atomic_file(tmp_path / "model") as temporary:
            temporary.write_bytes(b"content")
        assert (tmp_path / "model").read_bytes() == b"content"
        assert names(tmp_path) == ["model"]

    def test_a_failing_last_step_leaves_no_empty_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def write() -> None:
            with atomic_file(tmp_path / "model") as temporary:
                temporary.write_bytes(b"content")

        monkeypatch.setattr(os, "link", refuse(errno.EPERM))
        monkeypatch.setattr(Path, "replace", refuse(errno.EROFS))
        with pytest.raises(OutputError, match="read-only"):
            write()
        assert names(tmp_path) == []

    def test_overwrite_replaces(self, tmp_path: Path) -> None:
        (tmp_path / "model").write_bytes(b"old")
        with atomic_file(tmp_path / "model", overwrite=True) as temporary:
            temporary.write_bytes(b"new")
            assert (tmp_path / "model").read_bytes() == b"old"
        assert (tmp_path / "model").read_bytes() == b"new"

    @pytest.mark.parametrize(("code", "message"), DISK_TROUBLE)
    def test_trouble_at_the_start(
        self, code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def write() -> None:
            with atomic_file(tmp_path / "model"):
                pytest.fail("the body must not run")

        refuse_creating(code, monkeypatch)
        with pytest.raises(OutputError, match=f"model.*{message}"):
            write()

    @pytest.mark.parametrize("step", ["fsync", "link"])
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
    def test_trouble_at_the_end(
        self, step: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def write() -> None:
            with atomic_file(tmp_path / "model") as temporary:
                temporary.write_bytes(b"content")

        monkeypatch.setattr(os, step, refuse(code))
        with pytest.raises(OutputError, match="Cannot write the file"):
            write()
        assert names(tmp_path) == []

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_really_full_disk(self, tmp_path: Path) -> None:
        def write() -> None:
            with atomic_file(tmp_path / "model"), Path("/dev/full").open("wb", buffering=0) as full:
                full.write(b"content")

        with pytest.raises(OutputError, match="disk is full"):
            write()
        assert names(tmp_path) == []

    def test_a_missing_file_in_the_body_is_not_ours(self, tmp_path: Path) -> None:
        def write() -> None:
            with atomic_file(tmp_path / "model"):
                (tmp_path / "input").read_bytes()

        with pytest.raises(FileNotFoundError):
            write()

    def test_long_names_and_missing_folders(self, tmp_path: Path) -> None:
        def write(path: Path) -> None:
            with atomic_file(path) as temporary:
                temporary.write_bytes(b"x")

        write(tmp_path / ("ü" * 120 + ".png"))
        with pytest.raises(OutputError, match=r"name is too long.*shorter"):
            write(tmp_path / ("n" * 300))
        with pytest.raises(OutputError, match="folder does not exist"):
            write(tmp_path / "no" / "model")
        assert len(names(tmp_path)) == 1
