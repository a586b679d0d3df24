"""Liked and ordinary pictures out of one rated folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit_support.rated_files import HOSTILE, attribute, png

from ganrm_core.data.rated_folder import StarCuts, split_by_rating
from ganrm_core.data.rating_sidecar import write_sidecar
from ganrm_core.data.ratings import read_rating
from ganrm_core.data.xmp_rating import Rating
from ganrm_core.utils.errors import DataError, OutputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures named r (rejected), 0 to 5 by their stars, and n without a rating."""
    home = tmp_path / "mine"
    home.mkdir()
    for name, stars in (("r", -1), *((str(n), n) for n in range(6))):
        png(home / f"{name}.png", attribute(value=stars).encode())
    png(home / "n.png", None)
    return home


@pytest.mark.parametrize(
    ("cuts", "liked", "ordinary", "between", "unrated"),
    [
        (StarCuts(), "45", "12r", 1, 2),
        (StarCuts(5, 1), "5", "1r", 3, 2),
        (StarCuts(3, 2, True), "345", "012nr", 0, 0),
        (StarCuts(5, 0), "5", "r", 4, 2),
        (StarCuts(1, 0, True), "12345", "0nr", 0, 0),
    ],
)
def test_every_picture_is_in_at_most_one_set(
    folder: Path, cuts: StarCuts, liked: str, ordinary: str, between: int, unrated: int
) -> None:
    split = split_by_rating(folder, cuts)
    names = ["".join(path.stem for path in each.paths) for each in (split.liked, split.ordinary)]
    assert names == [liked, ordinary]
    assert (split.between, split.unrated) == (between, unrated)
    assert len(split.liked) + len(split.ordinary) + between + unrated == 8
    assert split.remarks() == []


def test_names_subfolders_and_remarks(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    png(inner / "deep.png", attribute(value=5).encode())
    png(inner / "bad.png", HOSTILE["bomb"])
    png(inner / "own.png", None)
    assert write_sidecar(inner / "own.png", 1)
    split = split_by_rating(folder, StarCuts(), recursive=True)
    assert [path.name for path in split.liked.paths] == ["4.png", "5.png", "deep.png"]
    assert split.liked.name == f"{folder}, at least 4"
    assert split.ordinary.name == f"{folder}, at most 2"
    by_model, refused = split.remarks()
    assert by_model.startswith("Rated by a model, and not changed since: 1 of 7.")
    assert 'Left out, since the rating cannot be read: "bad.png"' in refused


def test_nothing_liked_or_ordinary(folder: Path) -> None:
    (folder / "5.png").unlink()
    with pytest.raises(DataError, match=r"mine\" is rated at least 5: of 7 pictures 1 has 4 stars"):
        split_by_rating(folder, StarCuts(5))
    (folder / "r.png").unlink()
    with pytest.raises(DataError, match="is rejected: of 6 pictures"):
        split_by_rating(folder, StarCuts(4, 0))


class TestWritingSidecars:
    def test_only_where_there_is_neither_rating_nor_sidecar(self, folder: Path) -> None:
        assert write_sidecar(folder / "n.png", 4)
        assert (folder / "n.png.xmp").is_file()
        assert read_rating(folder / "n.png") == Rating(4, by_model=True)
        (folder / "other.xmp").write_text(attribute("xmp:Label", "Red"))
        png(folder / "other.png", None)
        png(folder / "bad.png", HOSTILE["bomb"])
        long = png(folder / ("x" * 249 + ".png"), None)
        before = sorted(folder.iterdir())
        assert not write_sidecar(long, 4), "the sidecar's name would be too long"
        for name in ("n", "0", "5", "r", "other", "bad", "missing"):
            assert not write_sidecar(folder / f"{name}.png", 2)
        assert sorted(folder.iterdir()) == before
        assert read_rating(folder / "n.png") == Rating(4, by_model=True)

    def test_a_folder_that_is_full_is_named(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(OutputError, match=r"n\.png\.xmp.*disk is full"):
            write_sidecar(folder / "n.png", 4)
        assert not list(folder.glob("*.xmp"))
