"""PNGs whose texts and colour profile exceed Pillow's limits: the pixels are read all the same."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageFile, PngImagePlugin
from unit_support.image_files import Chunk, encoded, png, swapped_profile

from ganrm_core.data.image_io import read_image
from ganrm_core.data.image_metadata import KEY, read_metadata
from ganrm_core.leakage.forensics.image_headers import read_header

OURS = (b"tEXt", KEY.encode() + b'\0{"score": 0.5}')
MEGABYTES = 3_000_000
ORIENTATION_6 = b'<x:xmpmeta tiff:Orientation="6"/>'
RED_BLUE = [255, 0, 0, 0, 0, 255]


def write(path: Path, before: list[Chunk] = [], after: list[Chunk] = []) -> Path:  # noqa: B006
    """A PNG of 2 × 1 pixels, red and blue."""
    path.write_bytes(png(2, 1, 8, 2, b"\0\xff\0\0\0\0\xff", *before, after=after))
    return path


def packed_text(key: bytes, text: bytes) -> Chunk:
    return b"zTXt", key + b"\0\0" + zlib.compress(text)


def packed_international(key: bytes, text: bytes) -> Chunk:
    return b"iTXt", key + b"\0\1\0en\0\0" + zlib.compress(text)


def profile_chunk(profile: bytes) -> Chunk:
    return b"iCCP", b"name\0\0" + zlib.compress(profile)


def exif_text() -> bytes:
    """EXIF that turns the picture, as ImageMagick writes it into a text."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = exif.tobytes()
    return b"\nexif\n%8d\n" % len(data) + data.hex().encode()


TOO_MUCH: dict[str, list[Chunk]] = {
    "one packed text": [packed_text(b"workflow", b"x" * MEGABYTES)],
    "one packed international text": [packed_international(b"workflow", b"x" * MEGABYTES)],
    "many texts": [packed_text(b"part", b"x" * (1 << 20))] * 5,
    "one plain text": [(b"tEXt", b"workflow\0" + b"x" * (5 << 20))],
    "a bomb": [packed_text(b"Raw profile type exif", bytes(17 << 20))],
    "a profile without end": [profile_chunk(bytes(17 << 20))],
    "a damaged text": [(b"zTXt", b"workflow\0\0nonsense")],
    "a text packed in no known way": [(b"zTXt", b"workflow\0\7nonsense")],
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
    profile = profile_chunk(swapped_profile(padding=2 << 20))
    path = write(tmp_path / "a.png", [packed_text(b"Raw profile type exif", exif_text()), profile, OURS])
    image = read_image(path)
    assert image.shape == (3, 2, 1)
    assert image[2, 0, 0] > 250 > 5 > image[0, 0, 0]
    assert read_header(path).colour_tag == "other profile"
    assert limit in (None, PngImagePlugin.MAX_TEXT_CHUNK)


@pytest.mark.parametrize(
    "text",
    [
        packed_text(b"Raw profile type exif", exif_text()),
        (b"tEXt", b"Raw profile type exif\0" + exif_text()),
        packed_international(b"XML:com.adobe.xmp", ORIENTATION_6 + b" " * MEGABYTES),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + ORIENTATION_6),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_texts_still_turn_the_picture(text: Chunk, place: str, tmp_path: Path) -> None:
    assert read_image(write(tmp_path / "a.png", **{place: [text]})).shape == (3, 2, 1)


def test_a_damaged_checksum_of_a_text_costs_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", [OURS])
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.7"))
    assert read_image(path).flatten().tolist() == RED_BLUE


@pytest.mark.parametrize("place", ["before", "after"])
def test_cut_short_inside_a_text(place: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", **{place: [(b"tEXt", b"workflow\0" + b"x" * 5000)]})
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(Exception, match="damaged or cut short"):
        read_image(path)


def test_animations_keep_their_first_frame(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * MEGABYTES, zip=True)
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], pnginfo=info)
    (tmp_path / "a.png").write_bytes(content)
    assert read_image(tmp_path / "a.png")[:, 0, 0].tolist() == [255, 0, 0]
