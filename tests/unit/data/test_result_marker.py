"""What the commands wrote themselves, and what systems keep, is no picture of anybody's."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from PIL import Image

from ganrm_core.data.image_folder import find_images
from ganrm_core.data.image_metadata import KEY, metrics, write_png
from ganrm_core.data.result_marker import is_drawn_result, marked_png
from ganrm_core.data.selection_table import COLUMNS, TABLE, is_selection
from ganrm_core.data.system_folders import is_system_folder
from ganrm_core.utils.errors import DataError

PICTURE = Image.new("RGB", (4, 4))


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.save(path)
    return path


def selection(folder: Path, head: bytes = ",".join(COLUMNS).encode()) -> Path:
    kept = picture(folder / "kept.png")
    (folder / TABLE).write_bytes(head + b"\r\n")
    return kept


class TestSelections:
    def test_below_a_folder_are_left_out_and_named(self, tmp_path: Path) -> None:
        own, said = picture(tmp_path / "shots" / "own.png"), []
        for name in ("best", "shots/best", "best (2)", "best (3)"):
            selection(tmp_path / name)
        assert find_images(tmp_path, recursive=True, say=said.append) == [own]
        (sentence,) = said
        assert '"best", "best (2)", "best (3)", 1 more folders' in sentence
        assert "give the folder of a selection itself" in sentence

    def test_named_by_themselves_are_read(self, tmp_path: Path) -> None:
        kept, said = selection(tmp_path / "best"), []
        deeper = picture(tmp_path / "best" / "more" / "x.png")
        selection(tmp_path / "best" / "again")
        assert find_images(tmp_path / "best", say=said.append) == [kept]
        assert said == []
        assert find_images(tmp_path / "best", recursive=True) == [kept, deeper]

    def test_and_nothing_else(self, tmp_path: Path) -> None:
        selection(tmp_path / "best")
        (tmp_path / "a.map.png").write_bytes(marked_png(PICTURE, "map"))
        with pytest.raises(
            DataError, match=r'no picture of its own, only .*selected earlier \("best"\).* 1 drawing'
        ):
            find_images(tmp_path, recursive=True)

    @pytest.mark.parametrize(
        "head",
        [
            b"file,group,rank,kept,score,logit,uncertainty,kept_as",
            ",".join(COLUMNS).encode(),
            codecs.BOM_UTF8 + ",".join(COLUMNS).encode(),
            codecs.BOM_UTF8 + ";".join(COLUMNS).encode(),
            "\t".join(f'"{name}"' for name in COLUMNS).encode(),
        ],
    )
    def test_of_any_version_and_saved_again_by_excel(self, head: bytes, tmp_path: Path) -> None:
        selection(tmp_path, head)
        assert is_selection(tmp_path)

    @pytest.mark.parametrize("head", [b"", b"player,points", b"file,group", b"\xff\xfe" * 900])
    def test_a_table_of_someone_else(self, head: bytes, tmp_path: Path) -> None:
        selection(tmp_path, head)
        assert not is_selection(tmp_path)


class TestDrawings:
    @pytest.mark.parametrize(
        "name", ["a.map.png", "a.mask.png", "a.b.map (2).png", "漢.MASK.PNG", "best_of_n.png"]
    )
    def test_of_ours_are_left_out(self, name: str, tmp_path: Path) -> None:
        own, said = picture(tmp_path / "own.png"), []
        (tmp_path / name).write_bytes(marked_png(PICTURE, "map"))
        assert find_images(tmp_path, say=said.append) == [own]
        assert "1 drawing of ganrm" in said[0]

    @pytest.mark.parametrize("name", ["sunset.map.png", "sunset.mask.png", "best_of_n.png"])
    def test_of_the_users_own_are_pictures(self, name: str, tmp_path: Path) -> None:
        path = picture(tmp_path / name)
        write_png(PICTURE, tmp_path / f"scored.{name}", {KEY: metrics(score=0.5)})
        said: list[str] = []
        assert path in find_images(tmp_path, say=said.append)
        assert len(find_images(tmp_path)) == 2
        assert said == []

    def test_a_file_that_is_gone_is_left_to_the_reader(self, tmp_path: Path) -> None:
        assert not is_drawn_result(tmp_path / "gone.map.png")


class TestSystemFolders:
    @pytest.mark.parametrize(
        "name",
        [
            "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "__MACOSX", ".thumbnails",
            "lost+found", "@Recycle", "Catalog Previews.lrdata", ".Trash-1000",
        ],
    )  # fmt: skip
    def test_hold_no_pictures(self, name: str, tmp_path: Path) -> None:
        own = picture(tmp_path / "own.png")
        picture(tmp_path / name / "x.png")
        assert find_images(tmp_path, recursive=True) == [own]
        assert is_system_folder(name)

    def test_nor_do_their_files_count(self, tmp_path: Path) -> None:
        own = picture(tmp_path / "own.png")
        for name in ("._own.png", "Thumbs.db", ".x.part.png"):
            (tmp_path / name).write_bytes(b"x")
        assert find_images(tmp_path) == [own]

    @pytest.mark.parametrize("name", ["recycle", "eaDir", "previews", "@me", "#1"])
    def test_others_do(self, name: str, tmp_path: Path) -> None:
        own = picture(tmp_path / name / "x.png")
        assert find_images(tmp_path, recursive=True) == [own]

    def test_named_itself_it_is_read(self, tmp_path: Path) -> None:
        kept = picture(tmp_path / "#recycle" / "x.png")
        assert find_images(tmp_path / "#recycle") == [kept]
