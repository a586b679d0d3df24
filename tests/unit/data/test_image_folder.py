"""Listing of image folders: natural order, links, and what is left out."""

from __future__ import annotations

import codecs
import errno
import os
import random
from pathlib import Path

import pytest
from PIL import Image
from unit_support.failing_disk import refuse

from ganrm_core.data.image_folder import find_images
from ganrm_core.data.image_metadata import KEY, metadata_json, write_png
from ganrm_core.data.result_marker import is_drawn_result, marked_png
from ganrm_core.data.selection_table import COLUMNS, SHEET, TABLE, is_selection
from ganrm_core.utils.errors import DataError

PICTURE = Image.new("RGB", (4, 4))


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.save(path, "PNG")
    return path


def selection(folder: Path, head: bytes = ",".join(COLUMNS).encode()) -> Path:
    kept = picture(folder / "kept.png")
    (folder / TABLE).write_bytes(head + b"\r\n")
    return kept


class TestFindImages:
    def test_natural_order_case_hidden_files_and_endings(self, tmp_path: Path) -> None:
        wanted = [
            "1.png",
            "2.JPG",
            "10.webp",
            "frame2.png",
            "Frame10.png",
            "frame10b.png",
            "X.png",
            "x.png",
            "٣.png",
        ]
        for name in [*random.Random(0).sample(wanted, 9), ".hidden.png", "._frame2.png", "notes.txt", "png"]:
            (tmp_path / name).write_bytes(b"x")
        found = [path.name for path in find_images(tmp_path)]
        assert sorted(found) == sorted(wanted)
        assert [name for name in found if name != "٣.png"] == [name for name in wanted if name != "٣.png"]

    def test_subfolders_only_when_asked(self, tmp_path: Path) -> None:
        inner = picture(tmp_path / "part10" / "a.png")
        earlier = picture(tmp_path / "part2" / "z.png")
        top = picture(tmp_path / "top.png")
        assert find_images(tmp_path) == [top]
        assert find_images(tmp_path, recursive=True) == [earlier, inner, top]

    def test_links_are_followed_once(self, tmp_path: Path) -> None:
        picture(tmp_path / "elsewhere" / "far.png")
        root = tmp_path / "root"
        near = picture(root / "sub" / "near.png")
        (root / "linked").symlink_to(tmp_path / "elsewhere")
        (root / "a-second-name").symlink_to(root / "sub")
        (root / "sub" / "loop").symlink_to(root)
        (root / "one.png").symlink_to(near)
        (root / "self").symlink_to(root / "self")
        found = find_images(root, recursive=True)
        assert found == [root / "linked" / "far.png", root / "one.png", near]
        (tmp_path / "link").symlink_to(root / "sub")
        assert find_images(tmp_path / "link") == [tmp_path / "link" / "near.png"]

    def test_a_folder_without_pictures_is_explained(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(folder: Path, message: str) -> None:
            with pytest.raises(DataError, match=message) as caught:
                find_images(folder)
            assert str(folder) in str(caught.value)

        folder, file = tmp_path / "my pictures", tmp_path / "a.txt"
        refused(folder, "no folder.*Check the path")
        file.touch()
        refused(file, "not a folder.*Give the folder")
        folder.mkdir()
        refused(folder, "is empty.*Put pictures")
        picture(folder / "deep" / "a.png")
        refused(folder, "1 subfolder.*Include the subfolders")
        for name in ("a.txt", "b.TXT", "c.mp4", "README", "d.x", "e.y", "f.z"):
            (folder / "deep" / name).touch()
        (folder / "deep" / "a.png").unlink()
        refused(folder / "deep", r"no picture, only 7 other files \(2 × \.txt, .*and others\).*PNG, JPEG")
        monkeypatch.setattr(os, "scandir", refuse(errno.EACCES))
        refused(folder, r"Permission denied.*Check its permissions")


class TestSelections:
    def test_below_a_folder_are_left_out_and_named(self, tmp_path: Path) -> None:
        own, said = picture(tmp_path / "shots" / "own.png"), []
        for name in ("best", "shots/best", "best (2)", "best (3)"):
            selection(tmp_path / name)
        assert find_images(tmp_path, recursive=True, say=said.append) == [own]
        (sentence,) = said
        assert '"best", "best (2)", "best (3)", 1 more folders' in sentence
        assert "give the folder of a selection itself" in sentence

    def test_named_by_themselves_are_read_without_their_sheet(self, tmp_path: Path) -> None:
        kept, said = selection(tmp_path / "best"), []
        sheet, deeper = picture(tmp_path / "best" / SHEET), picture(tmp_path / "best" / "more" / "x.png")
        selection(tmp_path / "best" / "again")
        assert find_images(tmp_path / "best", say=said.append) == [kept]
        assert said == []
        assert find_images(tmp_path / "best", recursive=True) == [kept, deeper]
        (tmp_path / "best" / TABLE).unlink()
        assert find_images(tmp_path / "best") == [sheet, kept], "without the table it may be anyone's picture"

    def test_and_nothing_else(self, tmp_path: Path) -> None:
        selection(tmp_path / "best")
        (tmp_path / "a.map.png").write_bytes(marked_png(PICTURE, "map"))
        with pytest.raises(
            DataError, match=r'no picture of its own, only .*selected earlier \("best"\).* 1 drawing'
        ):
            find_images(tmp_path, recursive=True)

    def test_of_any_version_and_saved_again_by_excel(self, tmp_path: Path) -> None:
        older = b"file,group,rank,kept,score,logit,uncertainty,kept_as"
        commas, semicolons = (codecs.BOM_UTF8 + mark.join(COLUMNS).encode() for mark in ",;")
        quoted = "\t".join(f'"{name}"' for name in COLUMNS).encode()
        for head in (older, commas, semicolons, quoted):
            selection(tmp_path, head)
            assert is_selection(tmp_path), head
        for head in (b"", b"player,points", b"file,group", b"\xff\xfe" * 900):
            selection(tmp_path, head)
            assert not is_selection(tmp_path), head


class TestDrawings:
    @pytest.mark.parametrize("name", ["a.map.png", "a.b.map (2).png", "漢.MASK.PNG", "best_of_n.png"])
    def test_of_ours_are_left_out_and_the_users_own_are_not(self, name: str, tmp_path: Path) -> None:
        own, said = picture(tmp_path / "own.png"), list[str]()
        (tmp_path / name).write_bytes(marked_png(PICTURE, "map"))
        assert find_images(tmp_path, say=said.append) == [own]
        assert "1 drawing of ganrm" in said[0]
        write_png(PICTURE, tmp_path / name, {KEY: metadata_json(score=0.5)})
        assert len(find_images(tmp_path, say=said.append)) == 2
        assert len(said) == 1
        (tmp_path / name).unlink()
        assert not is_drawn_result(tmp_path / name), "what is gone is left to the reader"


def test_system_folders_are_read_only_if_named_themselves(tmp_path: Path) -> None:
    system = (
        "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "__MACOSX", ".thumbnails",
        "lost+found", "@Recycle", "Catalog Previews.lrdata", ".Trash-1000", ".cache",
    )  # fmt: skip
    kept = [picture(tmp_path / name / "x.png") for name in system]
    own = [picture(tmp_path / name / "y.png") for name in ("#1", "@me", "eaDir", "previews", "recycle")]
    assert find_images(tmp_path, recursive=True) == own
    assert all(find_images(path.parent) == [path] for path in kept)
