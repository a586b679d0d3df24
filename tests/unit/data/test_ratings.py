"""Ratings of files of every format and in sidecars, which of them counts, and choosing by them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, features
from unit_support.rated_files import HOSTILE, PROGRAMS, attribute, exif_rating, jpeg, picture, png

from ganrm_core.data.embedded_rating import embedded_rating
from ganrm_core.data.ratings import CHOICES, fits, none_fits, read_rating, read_ratings
from ganrm_core.data.xmp_rating import MetadataError, Rating, rating_packet
from ganrm_core.utils.errors import ImageError

APP1 = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + b"\0\0\0\1\0\0\0\0"


def webp(path: Path, packet: bytes) -> None:
    picture().save(path, xmp=packet)


def tiff(path: Path, packet: bytes) -> None:
    picture().save(path, tiffinfo={700: packet})


def avif(path: Path, packet: bytes) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    picture().save(path, xmp=packet)


WRITERS: dict[str, Callable[[Path, bytes], object]] = {
    "a.png": png,
    "late.png": lambda path, packet: png(path, packet, late=True),
    "packed.png": lambda path, packet: png(path, packet, packed=True),
    "a.jpg": lambda path, packet: jpeg(path, APP1 + packet),
    "after-exif.jpg": lambda path, packet: jpeg(path, exif_rating(1), APP1 + packet),
    "extended.jpg": lambda path, packet: jpeg(path, EXTENDED + attribute(value=1).encode(), APP1 + packet),
    "a.webp": webp,
    "a.tif": tiff,
    "a.avif": avif,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_xmp_in_files_of_every_format(tmp_path: Path, name: str, program: str) -> None:
    WRITERS[name](tmp_path / name, PROGRAMS[program].encode())
    assert embedded_rating(tmp_path / name) == Rating(4)


@pytest.mark.parametrize("name", WRITERS)
def test_hostile_xmp_in_files_is_refused(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, HOSTILE["bomb"])
    with pytest.raises(MetadataError, match="document type"):
        embedded_rating(tmp_path / name)


def test_packed_bombs_and_endless_texts_in_png_are_refused(tmp_path: Path) -> None:
    for packet in (attribute().encode() + b" " * (5 << 20), b" " * (20 << 20)):
        with pytest.raises(MetadataError, match=r"too long|larger than 4 MB"):
            embedded_rating(png(tmp_path / "a.png", packet, packed=True))


def test_exif_tags(tmp_path: Path) -> None:
    for exif, expected in (
        (exif_rating(4), 4),
        (exif_rating(4, 99), 4),
        (exif_rating(None, 50), 3),
        (exif_rating(9, 50), 3),
        (exif_rating(0), 0),
    ):
        for path in (
            jpeg(tmp_path / "a.jpg", exif=exif),
            png(tmp_path / "a.png", None, exif=exif),
            tmp_path / "a.webp",
        ):
            if path.suffix == ".webp":
                picture().save(path, exif=exif)
            assert embedded_rating(path) == Rating(expected)
    picture().save(tmp_path / "a.tif", tiffinfo={0x4746: 2})
    assert embedded_rating(tmp_path / "a.tif") == Rating(2)
    both = jpeg(tmp_path / "both.jpg", APP1 + attribute(value=2).encode(), exif=exif_rating(5))
    assert embedded_rating(both) == Rating(2), "XMP before EXIF"


def test_files_without_a_rating_and_damaged_ones(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.webp", "a.tif", "a.gif", "a.bmp"):
        picture().save(tmp_path / name)
        assert embedded_rating(tmp_path / name) is None
    assert embedded_rating(jpeg(tmp_path / "exif.jpg", exif=Image.Exif().tobytes())) is None
    with pytest.raises(MetadataError, match="EXIF is damaged"):
        embedded_rating(jpeg(tmp_path / "bad.jpg", b"Exif\0\0neither II nor MM"))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ImageError, match=r"text\.png"):
        embedded_rating(tmp_path / "text.png")


class TestSidecars:
    @pytest.fixture
    def rated(self, tmp_path: Path) -> Path:
        return png(tmp_path / "a.b.png", attribute(value=2).encode())

    @pytest.mark.parametrize("name", ["a.b.png.xmp", "a.b.xmp", "a.b.XMP"])
    @pytest.mark.parametrize("program", PROGRAMS)
    def test_overrule_the_file(self, rated: Path, name: str, program: str) -> None:
        rated.with_name(name).write_text(PROGRAMS[program], encoding="utf-8")
        os.utime(rated.with_name(name), (1, 1))  # however old
        assert read_rating(rated) == Rating(4)

    def test_which_sidecar_counts(self, rated: Path) -> None:
        rated.with_name("a.b.xmp").write_text(attribute(value=5))
        rated.with_name("a.b.png.xmp").write_text(attribute(value=1))
        assert read_rating(rated) == Rating(1), "named after the whole file name"
        rated.with_name("a.b.png.xmp").write_text(attribute(value=0))
        assert read_rating(rated) == Rating(0), "the stars were taken away"
        rated.with_name("a.b.png.xmp").write_text(attribute("xmp:Label", "Red"))
        assert read_rating(rated) == Rating(5), "one without a rating says nothing"
        rated.with_name("a.b.xmp").unlink()
        assert read_rating(rated) == Rating(2)
        rated.with_name("a.xmp").write_text(attribute(value=5))
        assert read_rating(rated) == Rating(2), "of another picture"

    def test_are_enough_for_a_picture_that_does_not_open(self, tmp_path: Path) -> None:
        (tmp_path / "a.heic").write_bytes(b"cannot be opened")
        (tmp_path / "a.xmp").write_text(attribute())
        assert read_rating(tmp_path / "a.heic") == Rating(4)

    @pytest.mark.parametrize("kind", HOSTILE)
    def test_hostile_ones_give_no_rating_and_one_line(self, rated: Path, kind: str) -> None:
        rated.with_name("a.b.png.xmp").write_bytes(HOSTILE[kind])
        found = read_ratings([rated])
        assert found.stars == {}
        line = found.refusals()
        assert "\n" not in line
        assert line.startswith(
            'Left out, since the rating cannot be read: "a.b.png" (in its sidecar "a.b.png.xmp": its XMP '
        )

    def test_that_are_no_files_or_have_impossible_names_do_not_count(self, rated: Path) -> None:
        rated.with_name("a.b.xmp").mkdir()
        os.mkfifo(rated.with_name("a.b.png.xmp"))
        assert read_rating(rated) == Rating(2)
        long = rated.rename(rated.with_name("a" * 251 + ".png"))
        assert read_rating(long) == Rating(2)


@pytest.fixture
def folder(tmp_path: Path) -> list[Path]:
    """Files 0 to 6 with the ratings -1, 0 to 5, then one without; and one that is refused."""
    paths = [png(tmp_path / f"{number}.png", attribute(value=number - 1).encode()) for number in range(7)]
    return [*paths, png(tmp_path / "none.png", None), png(tmp_path / "bad.png", HOSTILE["deep"])]


def test_choices(folder: list[Path]) -> None:
    rated = read_ratings(folder)
    chosen = {choice: [path.stem for path in rated.fitting(choice)] for choice in CHOICES}
    assert chosen == {
        "any": ["0", "1", "2", "3", "4", "5", "6", "none"],
        "at least 1": ["2", "3", "4", "5", "6"],
        "at least 2": ["3", "4", "5", "6"],
        "at least 3": ["4", "5", "6"],
        "at least 4": ["5", "6"],
        "at least 5": ["6"],
        "at most 1": ["0", "2"],
        "at most 2": ["0", "2", "3"],
        "at most 3": ["0", "2", "3", "4"],
        "at most 4": ["0", "2", "3", "4", "5"],
        "unrated": ["1", "none"],
        "rejected": ["0"],
    }
    for stars in range(1, 5):  # nothing is in both
        assert not any(fits(f"at least {stars + 1}", n) and fits(f"at most {stars}", n) for n in range(-1, 6))


def test_counts_refusals_and_what_a_model_gave(folder: list[Path]) -> None:
    ours = png(folder[0].with_name("ours.png"), rating_packet(5).encode())
    rated = read_ratings([*folder, ours])
    assert rated.by_model == {ours}
    assert rated.counted() == (
        "of 10 pictures 2 have 5 stars, 1 has 4 stars, 1 has 3 stars, 1 has 2 stars, 1 has 1 star, 1 is rejected, "
        "2 have no rating and 1 cannot be told"
    )
    assert rated.refusals() == (
        'Left out, since the rating cannot be read: "bad.png" (its XMP is nested more than 100 deep).'
    )
    assert rated.given_by_model(folder) == ""
    assert rated.given_by_model([ours, folder[0]]) == (
        "Rated by a model, and not changed since: 1 of 2. A taste that learns from such ratings learns what that model knows "
        "already."
    )
    alone = read_ratings(folder[7:8])
    assert alone.refusals() == ""
    assert str(none_fits('"here"', "at least 4", alone)) == (
        'No picture in "here" is rated at least 4: of 1 picture 1 has no rating. Rate pictures there (in Lightroom, '
        "digiKam, darktable, Bridge or Windows), or choose another rating."
    )


def test_progress_can_cancel(folder: list[Path]) -> None:
    seen = []

    def stop(step: object) -> None:
        seen.append(step)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_ratings(folder, stop)
    assert len(seen) == 3
