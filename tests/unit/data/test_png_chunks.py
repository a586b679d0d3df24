"""PNGs whose texts and colour profile pass Pillow's limits: the pixels are read all the same."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageFile, PngImagePlugin

from ganrm_core.data.image_io import read_image
from ganrm_core.data.image_metadata import KEY, read_metadata
from ganrm_core.leakage.forensics.image_headers import read_header

Chunk = tuple[bytes, bytes]

OURS = (b"tEXt", KEY.encode() + b'\0{"score": 0.5}')
MEGABYTES = 3_000_000
ORIENTATION_6 = b'<x:xmpmeta tiff:Orientation="6"/>'


def write(path: Path, before: list[Chunk] = [], after: list[Chunk] = []) -> Path:  # noqa: B006
    """A PNG of 2 × 1 pixels, red and blue."""
    rows = zlib.compress(b"\0\xff\0\0\0\0\xff")
    head = struct.pack(">IIBBBBB", 2, 1, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), *before, (b"IDAT", rows), *after, (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(framed(*each) for each in chunks))
    return path


def framed(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def packed_text(key: bytes, text: bytes) -> Chunk:
    return b"zTXt", key + b"\0\0" + zlib.compress(text)


def packed_international(key: bytes, text: bytes) -> Chunk:
    return b"iTXt", key + b"\0\1\0en\0\0" + zlib.compress(text)


def profile_chunk(profile: bytes) -> Chunk:
    return b"iCCP", b"name\0\0" + zlib.compress(profile)


def large_swapped_profile() -> bytes:
    """A valid RGB profile of over 2 MB whose red and blue primaries are exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for offset in range(132, 132 + 12 * struct.unpack_from(">I", data, 128)[0], 12):
        name = bytes(data[offset : offset + 4])
        if name in (b"rXYZ", b"bXYZ"):
            data[offset : offset + 4] = b"bXYZ" if name == b"rXYZ" else b"rXYZ"
    data += bytes(2 << 20)
    struct.pack_into(">I", data, 0, len(data))
    return bytes(data)


def exif_text() -> bytes:
    """EXIF that turns the picture, as ImageMagick writes it into a text."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = exif.tobytes()
    return b"\nexif\n%8d\n" % len(data) + data.hex().encode()


TOO_MUCH: dict[str, list[Chunk]] = {
    "one packed text": [packed_text(b"workflow", b"x" * MEGABYTES)],
    "one packed international text": [packed_international(b"workflow", b"x" * MEGABYTES)],
    "many texts": [packed_text(b"part", b"x" * (1 << 20))] * 70,
    "one plain text": [(b"tEXt", b"workflow\0" + b"x" * (65 << 20))],
    "a bomb": [packed_text(b"Raw profile type exif", bytes(64 << 20))],
    "a profile without end": [profile_chunk(bytes(64 << 20))],
    "a damaged text": [(b"zTXt", b"workflow\0\0nonsense")],
    "a text packed in no known way": [(b"zTXt", b"workflow\0\7nonsense")],
    "a profile packed in no known way": [(b"iCCP", b"name\0\7nonsense")],
    "a text by the name of a field": [
        (b"tEXt", b"transparency\0nonsense"),
        (b"tEXt", b"icc_profile\0nonsense"),
    ],
}


@pytest.mark.parametrize("name", TOO_MUCH)
@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("others_switched_checks_off", [False, True])
def test_pixels_are_read_whatever_the_texts(
    name: str, place: str, others_switched_checks_off: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", others_switched_checks_off)
    path = write(tmp_path / "a.png", **{place: [*TOO_MUCH[name], OURS]})
    assert read_image(path).flatten().tolist() == [255, 0, 0, 0, 0, 255]
    assert read_header(path).container == "PNG"
    assert read_metadata(path) == {"score": 0.5}


@pytest.mark.parametrize("limit", [10, 1 << 30])
def test_limits_that_others_set_change_nothing(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", limit)
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", limit)
    texts = [packed_text(b"Raw profile type exif", exif_text()), profile_chunk(large_swapped_profile()), OURS]
    path = write(tmp_path / "a.png", texts)
    image = read_image(path)
    assert image.shape == (3, 2, 1)
    assert image[2, 0, 0] > 250 > 5 > image[0, 0, 0]
    assert read_metadata(path) == {"score": 0.5}
    assert (limit, limit) == (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)


def test_a_large_profile_is_applied(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", [profile_chunk(large_swapped_profile())])
    image = read_image(path)
    assert image[2, 0, 0] > 250 > 5 > image[0, 0, 0]
    assert read_header(path).colour_tag == "other profile"


@pytest.mark.parametrize(
    "text",
    [
        packed_text(b"Raw profile type exif", exif_text()),
        (b"tEXt", b"Raw profile type exif\0" + exif_text()),
        packed_international(b"XML:com.adobe.xmp", ORIENTATION_6),
        packed_international(b"XML:com.adobe.xmp", ORIENTATION_6 + b" " * MEGABYTES),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + ORIENTATION_6),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_texts_still_turn_the_picture(text: Chunk, place: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", **{place: [text]})
    assert read_image(path).shape == (3, 2, 1)


def test_a_damaged_checksum_of_a_text_costs_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", [OURS])
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"0.5", b"0.7"))
    assert read_image(path).flatten().tolist() == [255, 0, 0, 0, 0, 255]


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
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:], pnginfo=info)
    (tmp_path / "a.png").write_bytes(file.getvalue())
    assert read_image(tmp_path / "a.png")[:, 0, 0].tolist() == [255, 0, 0]
