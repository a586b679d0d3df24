"""PNGs whose texts and colour profile exceed Pillow's limits: the pixels are read all the same."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from fuzz_support.picture_seeds import swapped_profile
from PIL import Image, ImageFile, PngImagePlugin
from unit_support.image_files import Chunk, png

from ganrm_core.data.image_io import read_image
from ganrm_core.data.image_metadata import KEY, read_metadata
from ganrm_core.leakage.forensics.image_headers import read_header
from ganrm_core.utils.errors import ImageError

OURS = (b"tEXt", KEY.encode() + b'\0{"score": 0.5}')
MEGABYTES = 3_000_000
ORIENTATION_6 = b'<x:xmpmeta tiff:Orientation="6"/>'
RED_BLUE = [255, 0, 0, 0, 0, 255]


def write(path: Path, before: list[Chunk] = [], after: list[Chunk] = []) -> Path:  # noqa: B006
    """A PNG of 2 × 1 pixels, red and blue."""
    path.write_bytes(png(2, 1, 8, 2, b"\0\xff\0\0\0\0\xff", *before, after=after))
    return path


def packed(kind: bytes, key: bytes, text: bytes) -> Chunk:
    """A text (zTXt), an international text (iTXt) or a colour profile (iCCP)."""
    return kind, key + (b"\0\1\0en\0\0" if kind == b"iTXt" else b"\0\0") + zlib.compress(text)


def exif_text() -> bytes:
    """EXIF that turns the picture, as ImageMagick writes it into a text."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = exif.tobytes()
    return b"\nexif\n%8d\n" % len(data) + data.hex().encode()


TURNED = packed(b"zTXt", b"Raw profile type exif", exif_text())
TOO_MUCH: dict[str, list[Chunk]] = {
    "one packed text": [packed(b"zTXt", b"workflow", b"x" * MEGABYTES)],
    "many texts": [packed(b"zTXt", b"part", b"x" * (1 << 20))] * 5,
    "one plain text": [(b"tEXt", b"workflow\0" + b"x" * (5 << 20))],
    "a bomb": [packed(b"zTXt", b"Raw profile type exif", bytes(17 << 20))],
    "a profile without end": [packed(b"iCCP", b"name", bytes(17 << 20))],
    "a damaged text": [(b"zTXt", b"workflow\0\0nonsense")],
    "a profile packed in no known way": [(b"iCCP", b"name\0\7nonsense")],
    "texts by the names of fields": [(b"tEXt", b"transparency\0nonsense"), (b"tEXt", b"icc_profile\0nonsense")],
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_MUCH)
def test_pixels_are_read_whatever_the_texts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", 4 << 20)
    for place, truncated in (("before", False), ("after", True)):
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", truncated)
        path = write(tmp_path / "a.png", **{place: [*TOO_MUCH[name], OURS]})
        assert read_image(path).flatten().tolist() == RED_BLUE
        assert read_header(path).container == "PNG"
        assert read_metadata(path) == {"score": 0.5}


@pytest.mark.parametrize("limit", [None, 10, 1 << 30])
def test_a_large_profile_is_applied_whatever_limits_others_set(
    limit: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MAX_TEXT_CHUNK", "MAX_TEXT_MEMORY") if limit else ():
        monkeypatch.setattr(PngImagePlugin, name, limit)
    profile = packed(b"iCCP", b"name", swapped_profile(padding=2 << 20))
    path = write(tmp_path / "a.png", [TURNED, profile, OURS])
    image = read_image(path)
    assert image.shape == (3, 2, 1)
    assert image[2, 0, 0] > 250 > 5 > image[0, 0, 0]
    assert read_header(path).colour_tag == "other profile"
    assert limit in (None, PngImagePlugin.MAX_TEXT_CHUNK)


@pytest.mark.parametrize(
    "text",
    [
        TURNED,
        (b"tEXt", b"Raw profile type exif\0" + exif_text()),
        packed(b"iTXt", b"XML:com.adobe.xmp", ORIENTATION_6 + b" " * MEGABYTES),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + ORIENTATION_6),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_texts_still_turn_the_picture(text: Chunk, place: str, tmp_path: Path) -> None:
    assert read_image(write(tmp_path / "a.png", **{place: [text]})).shape == (3, 2, 1)


def test_the_end_of_a_text_may_not_be_missing(tmp_path: Path) -> None:
    for place in ("before", "after"):
        path = write(tmp_path / "a.png", **{place: [(b"tEXt", b"workflow\0" + b"x" * 5000)]})
        path.write_bytes(path.read_bytes()[:-3000])
        with pytest.raises(ImageError, match="damaged or cut short"):
            read_image(path)
