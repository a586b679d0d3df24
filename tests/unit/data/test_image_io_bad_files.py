from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from ganrm_core.data.image_io import MAX_PIXELS, UnreadableImageError, read_image
from ganrm_core.utils.errors import ImageError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def solid(mode: str, colour: object, size: tuple[int, int] = (4, 3)) -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG of a kind that Pillow reads but cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", head), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*entry) for entry in chunks)


def detailed() -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Image.fromarray(values)


LOSSLESS_AND_LOSSY = [("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("GIF", {})]
LOSSLESS_AND_LOSSY += [("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("PPM", {})]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
@pytest.mark.parametrize("others_switched_checks_off", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize(("kind", "options"), LOSSLESS_AND_LOSSY)
def test_cut_short_files_are_refused(
    kind: str,
    options: dict[str, object],
    share: float,
    others_switched_checks_off: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Other programs in the same process do set this; Pillow then hands out half-grey pictures.
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", others_switched_checks_off)
    whole = encoded(detailed(), kind, **options)
    path = tmp_path / "cut.png"
    path.write_bytes(whole)
    assert read_image(path).shape == (3, 64, 64)
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageError, match=r"cut\.png.*damaged or cut short.*again"):
        read_image(path)


@pytest.mark.parametrize("others_switched_checks_off", [False, True])
def test_damaged_png_data_is_refused(
    others_switched_checks_off: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", others_switched_checks_off)
    data = bytearray(encoded(detailed(), "PNG"))
    data[len(data) // 2] ^= 0xFF
    data[len(data) // 2 + 1 : len(data) // 2 + 9] = bytes(8)
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match="damaged or cut short"):
        read_image(tmp_path / "a.png")


def huge_png() -> bytes:
    return png(MAX_PIXELS // 16384 + 1, 16384, 8, 0, b"")


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"empty \(0 bytes\).*again"),
    "text": (b"hello, I am a text file" * 9, "not a picture.*PNG, JPEG or WebP"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 9, "not a picture"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    "video": (b"\0\0\0\x20ftypisom\0\0\2\0" + bytes(99), "video"),
    "matroska": (b"\x1a\x45\xdf\xa3" + bytes(99), "video"),
    "jxl": (b"\xff\x0a" + bytes(99), "JPEG XL"),
    "only the signature": (b"\x89PNG\r\n\x1a\n", "damaged or cut short"),
    "too large": (huge_png(), "16385 × 16384 pixels.*smaller"),
    "32-bit beyond 16": (encoded(solid("I", 70000), "TIFF"), "70000.*16 or 8 bits"),
    "float nan": (encoded(solid("F", float("nan")), "TIFF"), "not numbers"),
    "float infinite": (encoded(solid("F", float("inf")), "TIFF"), "not numbers"),
    "float beyond 16": (encoded(solid("F", 1e6), "TIFF"), r"1e\+06.*16 or 8 bits"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_explained(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    path = tmp_path / "bad one.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert caught.value.reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif("HEIF" in Image.OPEN, reason="pillow-heif is loaded")
def test_heic_names_the_missing_package(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0" + bytes(99))
    with pytest.raises(ImageError, match="pillow-heif"):
        read_image(tmp_path / "a.heic")


def test_missing_folder_and_link_messages(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.png.*not there"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="not a valid path"):
        read_image("nul\0.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with pytest.raises(ImageError, match="leads back to itself"):
        read_image(tmp_path / "loop.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="not an ordinary file"):
        read_image(tmp_path / "pipe.png")


def test_no_permission_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Refusing in `open` itself, because permissions do not stop root.
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(solid("RGB", RED), "PNG"))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(io, "FileIO", refuse)
    with pytest.raises(ImageError, match=r"secret\.png.*no permission.*Change the permissions"):
        read_image(path)


def test_too_little_memory_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError

    (tmp_path / "a.png").write_bytes(encoded(solid("RGB", RED), "PNG"))
    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", refuse)
    with pytest.raises(ImageError, match="not enough memory"):
        read_image(tmp_path / "a.png")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("limit", [None, 1])
def test_the_size_limit_is_our_own(
    limit: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    (tmp_path / "huge.png").write_bytes(huge_png())
    with pytest.raises(ImageError, match="16385 × 16384"):
        read_image(tmp_path / "huge.png")
    for kind in ("PNG", "JPEG"):
        (tmp_path / "ordinary").write_bytes(encoded(solid("RGB", (9, 9, 9), (20, 20)), kind))
        assert read_image(tmp_path / "ordinary").shape == (3, 20, 20)


def test_messages_name_awkward_files_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / "two\nlines\udcff.png")
    assert r"two\nlines" in str(caught.value)
    str(caught.value).encode("utf-8")
