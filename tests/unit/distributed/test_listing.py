"""Streamed listings: the rules of `find_images`, on every filesystem."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganrm_core.data.image_folder import find_images
from ganrm_core.distributed.listing import Source, listed, sources_of
from ganrm_core.distributed.storage import Folder
from ganrm_core.utils.errors import DataError

pytest.importorskip("pyarrow")

FILES = (
    "b.png",
    "a.JPG",
    "notes.txt",
    ".hidden.png",
    "sub/c.webp",
    ".trash/d.png",
    "@eaDir/e.png",
    "sub/x/f.gif",
)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1")
    return tmp_path / "in"


@pytest.mark.parametrize("recursive", [False, True])
def test_local_folders_are_listed_as_on_one_machine(pictures: Path, recursive: bool) -> None:
    found = sorted(listed(Source(str(pictures), recursive)))
    expected = find_images(pictures, recursive=recursive)
    assert found == sorted(path.relative_to(pictures).as_posix() for path in expected)
    assert len(found) == (4 if recursive else 2)


def test_other_filesystems_are_listed_alike(pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    bucket = f"memory://{tmp_path.name}"
    for name in FILES:
        Folder(bucket).write(name, b"1")
    assert sorted(listed(Source(bucket, True))) == sorted(listed(Source(str(pictures), True)))
    assert list(listed(Source(bucket))) == ["a.JPG", "b.png"]


def test_a_place_without_pictures_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    for source in (Source(str(tmp_path)), Source("memory://nothing-here")):
        with pytest.raises(DataError, match=r"is empty|no picture"):
            list(listed(source))


def test_paths_of_a_command(pictures: Path) -> None:
    sources = sources_of(
        [pictures, pictures / "b.png", pictures / "a.JPG", "s3://bucket/in", "s3://bucket/a.png"], True
    )
    assert sources == (
        Source(str(pictures), True),
        Source("s3://bucket/in", True),
        Source(str(pictures), False, ("b.png", "a.JPG")),
        Source("s3://bucket", False, ("a.png",)),
    )
    assert list(listed(sources[2])) == ["b.png", "a.JPG"]


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file or folder"):
        sources_of([tmp_path / "nowhere"], False)
