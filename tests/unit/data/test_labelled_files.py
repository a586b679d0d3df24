"""The liked and the ordinary set: listed, and refused where they cannot be trained on."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganrm_core.data.labelled_files import LEAST_PER_CLASS, PictureSet, find_training_files
from ganrm_core.utils.errors import DataError, TooFewError


def folder(path: Path, count: int, shade: int) -> Path:
    path.mkdir(parents=True)
    for index in range(count):
        Image.new("RGB", (3, 3), (shade, index, 0)).save(path / f"{index}.png")
    return path


def refused(liked: Any, ordinary: Any, message: str, **options: bool) -> DataError:
    with pytest.raises(DataError, match=message) as caught:
        find_training_files(liked, ordinary, **options)
    return caught.value


@pytest.fixture
def liked(tmp_path: Path) -> Path:
    return folder(tmp_path / "liked", LEAST_PER_CLASS, 10)


@pytest.fixture
def ordinary(tmp_path: Path) -> Path:
    return folder(tmp_path / "ordinary", LEAST_PER_CLASS + 2, 200)


class TestFound:
    def test_files_in_order_with_hashes_lists_and_subfolders_only_when_asked(
        self, liked: Path, ordinary: Path
    ) -> None:
        files = find_training_files(liked, str(ordinary))
        assert [path.name for path in files.liked] == [f"{i}.png" for i in range(10)]
        assert len(files.ordinary) == len(files.ordinary_hashes) == 12
        assert files.liked_hashes[3] == hashlib.sha256((liked / "3.png").read_bytes()).hexdigest()
        assert files.warnings == []
        assert files.names == {"liked": str(liked), "ordinary": str(ordinary)}
        paths = sorted(liked.iterdir(), reverse=True)
        assert find_training_files(paths, sorted(ordinary.iterdir())).liked == paths
        folder(liked / "more", 3, 90)
        assert len(find_training_files(liked, ordinary).liked) == 10
        assert len(find_training_files(liked, ordinary, recursive=True).liked) == 13

    def test_exact_copies_count_once_and_are_told(self, liked: Path, ordinary: Path) -> None:
        for name in ("a copy.png", "another.jpg"):
            shutil.copy(liked / "3.png", liked / name)
        shutil.copy(ordinary / "5.png", ordinary / "5 copy.png")
        files = find_training_files(liked, ordinary)
        assert len(files.liked) == len(set(files.liked_hashes)) == 10
        assert liked / "3.png" in files.liked
        assert [warning[:18] for warning in files.warnings] == ["2 liked files are ", "1 ordinary files a"]

    def test_files_that_cannot_be_read_are_left_to_the_reader(self, liked: Path, ordinary: Path) -> None:
        (liked / "gone.png").symlink_to(liked / "nowhere.png")
        for path in (liked / "broken.png", liked / "broken 2.png", ordinary / "download.png"):
            path.touch()
        for path in (liked / "x.png", liked / "y.png"):
            path.write_bytes(b"no picture")
        assert len(find_training_files(liked, ordinary).liked) == 15, "none passes for a copy of another"


class TestRefused:
    def test_the_same_folder_or_set_under_any_name(self, liked: Path, tmp_path: Path) -> None:
        link = tmp_path / "link"
        link.symlink_to(liked, target_is_directory=True)
        for first, second in ((liked, str(liked)), (link, liked), (liked, liked / ".." / "liked")):
            assert str(first) in str(refused(first, second, "are the same"))
        paths = tuple(sorted(liked.iterdir()))
        once, again = PictureSet(paths, "input/liked"), PictureSet(paths, "output/copies")
        refused(once, once, r'pictures are the same: both are "input/liked"\. Choose a folder')
        refused(once, again, '"input/liked" and "output/copies" hold the same 10')
        refused(list(paths), list(paths), "are the same 10 pictures")

    def test_shared_files_are_named_and_counted(self, liked: Path, ordinary: Path) -> None:
        shutil.copy(liked / "4.png", ordinary / "renamed.png")
        # Both sets have a picture that is called 4.png.
        named = f'"{Path("liked", "4.png")}" = "renamed.png"'
        assert named in str(refused(liked, ordinary, "1 picture is in both"))
        for index in range(4):
            shutil.copy(liked / f"{index}.png", ordinary / f"shared{index}.png")
        refused(liked, ordinary, r"5 pictures are in both.*and 2 more")

    def test_too_few_copies_do_not_make_up_the_number_and_names(self, liked: Path, ordinary: Path) -> None:
        (liked / "0.png").unlink()
        shutil.copy(liked / "1.png", liked / "copy.png")
        refused(liked, ordinary, r"Only 9 usable liked pictures in .*liked\"\. At least 10")
        refused(ordinary, liked, "Only 9 usable ordinary pictures")
        few = PictureSet(tuple(sorted(liked.iterdir())[:1]), "input/few")
        error = refused(few, ordinary, r'Only 1 usable liked picture in "input/few"\. At least 10')
        assert isinstance(error, TooFewError)
        assert (error.kind, error.name, error.count, error.needed) == ("liked", "input/few", 1, 10)
