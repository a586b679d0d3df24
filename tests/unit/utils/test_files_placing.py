from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ganrm_core.utils import file_placement
from ganrm_core.utils.errors import OutputError
from ganrm_core.utils.file_placement import place
from ganrm_core.utils.files import free_name


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refuse(code: int) -> Callable[..., None]:
    """Stands for a system call on a disk that is full, read-only… Works for root too."""

    def call(*arguments: object, **_: object) -> None:
        raise OSError(code, os.strerror(code), str(arguments[0]))

    return call


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "it's a picture.png"
    path.parent.mkdir()
    path.write_bytes(os.urandom(3_000_000))
    os.utime(path, (1_500_000_000, 1_500_000_000))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target" / "new.png"
    path.parent.mkdir()
    return path


class TestPlace:
    def test_copy(self, source: Path, target: Path) -> None:
        place(source, target, "copy")
        assert target.read_bytes() == source.read_bytes()
        assert target.stat().st_mtime == 1_500_000_000
        assert not target.samefile(source)

    @pytest.mark.parametrize("links", [True, False])
    def test_move(self, links: bool, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if not links:
            monkeypatch.setattr(os, "link", refuse(errno.EXDEV))
        content = source.read_bytes()
        place(source, target, "move")
        assert target.read_bytes() == content
        assert not source.exists()
        assert names(target.parent) == ["new.png"]

    def test_link(self, source: Path, target: Path) -> None:
        place(source, target, "link")
        assert target.samefile(source)
        assert not target.is_symlink()

    def test_link_without_hard_links(
        self, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "link", refuse(errno.EXDEV))
        monkeypatch.chdir(source.parent)
        place(Path(source.name), target, "link")
        assert target.is_symlink()
        assert target.readlink().is_absolute()
        assert target.samefile(source)

    def test_link_without_any_links(
        self, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "link", refuse(errno.EPERM))
        monkeypatch.setattr(Path, "symlink_to", refuse(errno.EPERM))
        with pytest.raises(OutputError, match="Choose copy instead"):
            place(source, target, "link")
        assert source.exists()

    @pytest.mark.parametrize("links", [True, False])
    @pytest.mark.parametrize("mode", ["copy", "move", "link"])
    def test_never_overwrites(
        self,
        mode: file_placement.PlaceMode,
        links: bool,
        source: Path,
        target: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if not links:
            monkeypatch.setattr(os, "link", refuse(errno.EPERM))
        target.write_bytes(b"theirs")
        for path in (target, source):
            with pytest.raises(OutputError, match="already exists"):
                place(source, path, mode)
        # also not one that appears after the first look
        monkeypatch.setattr(os.path, "lexists", lambda _: False)
        with pytest.raises(OutputError, match="already exists"):
            place(source, target, mode)
        assert target.read_bytes() == b"theirs"
        assert len(source.read_bytes()) == 3_000_000
        assert names(target.parent) == ["new.png"]

    @pytest.mark.parametrize("mode", ["copy", "move"])
    @pytest.mark.parametrize("step", ["fsync", "publish", "verify"])
    def test_a_failure_half_way_loses_nothing(
        self,
        mode: file_placement.PlaceMode,
        step: str,
        source: Path,
        target: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        content = source.read_bytes()
        link, calls = os.link, 0

        def other_disk_then_full(*_: object) -> None:
            nonlocal calls
            calls += 1
            raise OSError(errno.EXDEV if mode == "move" and calls == 1 else errno.ENOSPC, "", str(target))

        monkeypatch.setattr(os, "link", refuse(errno.EXDEV) if mode == "move" else link)
        if step == "fsync":
            monkeypatch.setattr(os, "fsync", refuse(errno.ENOSPC))
        elif step == "publish":
            monkeypatch.setattr(os, "link", other_disk_then_full)
        else:
            monkeypatch.setattr(file_placement, "file_sha256", lambda _: "another")
        with pytest.raises(OutputError, match="does not match" if step == "verify" else "disk is full"):
            place(source, target, mode)
        assert source.read_bytes() == content
        assert names(target.parent) == []

    def test_a_source_that_cannot_be_removed_stays_whole(
        self, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = Path.unlink

        def guarded(path: Path, missing_ok: bool = False) -> None:
            if path == source:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            real(path, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "unlink", guarded)
        with pytest.raises(OutputError, match=r"now also at .*Remove one of the two by hand"):
            place(source, target, "move")
        assert source.read_bytes() == target.read_bytes()

    def test_a_linked_source_stands_for_its_file(self, source: Path, target: Path, tmp_path: Path) -> None:
        content = source.read_bytes()
        link = tmp_path / "link.png"
        for mode in ("copy", "link", "move"):
            if not link.is_symlink():
                link.symlink_to(Path("source") / source.name)
            place(link, target, mode)
            assert not target.is_symlink()
            assert target.read_bytes() == content
            assert source.read_bytes() == content
            assert link.is_symlink() == (mode != "move")
            target.unlink()

    def test_what_cannot_be_placed(self, source: Path, target: Path) -> None:
        with pytest.raises(OutputError, match=r"gone\.png.*no longer there"):
            place(source.with_name("gone.png"), target, "copy")
        with pytest.raises(OutputError, match="not a file"):
            place(source.parent, target, "move")
        for mode in ("copy", "move", "link"):
            with pytest.raises(OutputError, match="folder does not exist"):
                place(source, target.parent / "no" / "new.png", mode)
        with pytest.raises(ValueError, match="copy, move or link"):
            place(source, target, "steal")  # type: ignore[arg-type]
        assert source.exists()


class TestFreeName:
    def test_counts_up_and_keeps_the_suffix(self, tmp_path: Path) -> None:
        found = []
        for _ in range(3):
            path = free_name(tmp_path, "a b.png")
            path.write_bytes(b"")
            found.append(path.name)
        assert found == ["a b.png", "a b (2).png", "a b (3).png"]
        (tmp_path / "plain").symlink_to(tmp_path / "gone")
        assert free_name(tmp_path, "plain") == tmp_path / "plain (2)"

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b.png", "../a.png", "/etc/passwd"])
    def test_only_plain_names(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="not a plain file name"):
            free_name(tmp_path, name)
