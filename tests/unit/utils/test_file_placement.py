"""Copying, moving and linking: content is never lost, and nothing is overwritten."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from unit_support.failing_disk import names, refuse

from ganrm_core.utils import file_placement
from ganrm_core.utils.errors import OutputError, SourceError
from ganrm_core.utils.file_placement import PlaceMode, place

MODES: tuple[PlaceMode, ...] = ("copy", "move", "link")
CONTENT = os.urandom(1_500_000)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "it's a picture.png"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    os.utime(path, (1_500_000_000, 1_500_000_000))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target" / "new.png"
    path.parent.mkdir()
    return path


@pytest.fixture(params=[True, False], ids=["hard links", "no hard links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.setattr(os, "link", refuse(errno.EXDEV))
    return bool(request.param)


@pytest.mark.parametrize("mode", MODES)
def test_places(
    mode: PlaceMode, links: bool, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.parent)
    place(Path(source.name), target, mode)
    assert target.read_bytes() == CONTENT
    assert names(target.parent) == ["new.png"]
    assert target.stat().st_mtime == 1_500_000_000
    assert source.exists() == (mode != "move")
    assert target.is_symlink() == (mode == "link" and not links)
    assert mode == "move" or target.samefile(source) == (mode == "link")
    assert not target.is_symlink() or target.readlink().is_absolute()


@pytest.mark.usefixtures("links")
@pytest.mark.parametrize("mode", MODES)
def test_never_overwrites(
    mode: PlaceMode, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.write_bytes(b"theirs")
    for path in (target, source):
        with pytest.raises(OutputError, match="already exists"):
            place(source, path, mode)
    # also not one that appears after the first check
    monkeypatch.setattr(os.path, "lexists", lambda _: False)
    with pytest.raises(OutputError, match="already exists"):
        place(source, target, mode)
    assert (target.read_bytes(), source.read_bytes()) == (b"theirs", CONTENT)
    assert names(target.parent) == ["new.png"]


@pytest.mark.parametrize("mode", ["copy", "move"])
@pytest.mark.parametrize("step", ["fsync", "publish", "verify"])
def test_a_failure_half_way_loses_nothing(
    mode: PlaceMode, step: str, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = [errno.EXDEV] if mode == "move" else []  # another disk

    def link(*paths: object) -> None:
        refuse(codes.pop() if codes else errno.ENOSPC)(*paths)

    monkeypatch.setattr(os, "link", link)
    if step == "fsync":
        monkeypatch.setattr(os, "fsync", refuse(errno.ENOSPC))
    elif step == "verify":
        monkeypatch.setattr(file_placement, "file_sha256", lambda _: "another")
    with pytest.raises(OutputError, match="does not match" if step == "verify" else "disk is full"):
        place(source, target, mode)
    assert source.read_bytes() == CONTENT
    assert names(target.parent) == []


def test_without_links_and_without_permission_to_remove_the_source_it_stays_whole(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    monkeypatch.setattr(Path, "symlink_to", refuse(errno.EPERM))
    with pytest.raises(OutputError, match="Choose copy instead"):
        place(source, target, "link")
    monkeypatch.setattr(Path, "unlink", refuse(errno.EACCES))
    with pytest.raises(SourceError, match=r"now also at .*Remove one of the two by hand"):
        place(source, target, "move")
    assert source.read_bytes() == target.read_bytes() == CONTENT


@pytest.mark.parametrize("mode", MODES)
def test_a_linked_source_stands_for_its_file(
    mode: PlaceMode, source: Path, target: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.png"
    link.symlink_to(Path("source") / source.name)
    place(link, target, mode)
    assert not target.is_symlink()
    assert target.read_bytes() == source.read_bytes() == CONTENT
    assert link.is_symlink() == (mode != "move")


def test_what_cannot_be_placed(source: Path, target: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.png.*no longer there"):
        place(source.with_name("gone.png"), target, "copy")
    with pytest.raises(SourceError, match="not a file"):
        place(source.parent, target, "move")
    for mode in MODES:
        with pytest.raises(OutputError, match="folder does not exist"):
            place(source, target.parent / "no" / "new.png", mode)
    with pytest.raises(ValueError, match="copy, move or link"):
        place(source, target, "steal")  # type: ignore[arg-type]
    assert source.exists()
