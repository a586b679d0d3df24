"""Files that are no pictures, damaged, truncated or too large: refused with one clear line."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image, ImageFile
from PIL import __version__ as pillow_version
from unit_support.failing_disk import refuse
from unit_support.image_files import encoded, png, solid

from ganrm_core.data.image_io import MAX_PIXELS, UnreadableImageError, read_image
from ganrm_core.utils.errors import ImageError

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
HUGE = png(MAX_PIXELS // 16384 + 1, 16384, 8, 0, b"")


@pytest.fixture(params=[False, True])
def switched_off(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs in the same process set this; Pillow then hands out half-grey pictures."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", request.param)


@pytest.mark.usefixtures("switched_off")
class TestDamaged:
    @pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
    def test_truncated_files(self, kind: str, tmp_path: Path) -> None:
        whole = encoded(NOISE, kind, progressive=True, compression="tiff_lzw")
        path = tmp_path / "cut.png"
        path.write_bytes(whole)
        assert read_image(path).shape == (3, 64, 64)
        for share in (0.1, 0.5, 0.9, 0.99):
            path.write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(ImageError, match=r"cut\.png.*damaged or cut short.*again"):
                read_image(path)


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"empty \(0 bytes\).*again"),
    "text": (b"hello, I am a text file" * 9, "not a picture.*PNG, JPEG or WebP"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 9, "not a picture"),
    "video": (b"\0\0\0\x20ftypisom\0\0\2\0" + bytes(99), "video"),
    "only the signature": (b"\x89PNG\r\n\x1a\n", "damaged or cut short"),
    "a damaged TIFF directory": (b"II*\0\xff\xff\xff\x7f" + bytes(50), "damaged or cut short"),
    "32-bit beyond 16": (encoded(solid("I", 70000), "TIFF"), "70000.*16 or 8 bits"),
    "float nan": (encoded(solid("F", float("nan")), "TIFF"), "not numbers"),
    "PAM": (b"P7\nWIDTH 1\n", r"PAM \(P7\) pictures are not read. Save it as PNG"),
    "colour PFM": (b"PF\n1 1\n-1.0\n" + bytes(12), r"colour PFM \(PF\) pictures are not read. Save it as PNG"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
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


def test_paths_that_are_no_files_and_a_pipe_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    pipes = [tmp_path / "pipe.png"] if hasattr(os, "mkfifo") else []
    for pipe in pipes:
        os.mkfifo(pipe)
    for path, message in (
        (tmp_path / "gone.png", r"gone\.png.*not there"),
        (tmp_path, "is a folder"),
        ("nul\0.png", "not a valid path"),
        (tmp_path / "loop.png", "leads back to itself"),
        (tmp_path / "two\nlines\udcff.png", r"two\\nlines"),
        *((pipe, "not an ordinary file") for pipe in pipes),
    ):
        with pytest.raises(ImageError, match=message) as caught:
            read_image(path)
        str(caught.value).encode("utf-8")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.EACCES, r"secret\.png.*no permission.*Change the permissions"),
        (errno.EIO, r"Input/output error\. Check the disk"),
    ],
)
def test_errors_of_the_system_are_explained(
    code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(NOISE, "PNG"))
    # In `open` itself, because permissions do not stop root.
    monkeypatch.setattr(io, "FileIO", refuse(code))
    with pytest.raises(ImageError, match=message):
        read_image(path)
    monkeypatch.undo()
    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", Mock(side_effect=MemoryError))
    with pytest.raises(ImageError, match="not enough memory"):
        read_image(path)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("limit", [None, 1])
def test_the_size_limit_is_our_own_but_where_pillows_cannot_be_gone_round(
    limit: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    path.write_bytes(HUGE)
    with pytest.raises(ImageError, match=r"16385 × 16384 pixels.*smaller"):
        read_image(path)
    # TIFF checks Pillow's limit in its decoder; WebP does so since Pillow 13.
    bound = ("TIFF",) if int(pillow_version.split(".")[0]) < 13 else ("TIFF", "WEBP")
    for kind in ("PNG", "JPEG", "WEBP", "TIFF"):
        path.write_bytes(encoded(solid("RGB", (9, 9, 9), (20, 20)), kind))
        if limit is None or kind not in bound:
            assert read_image(path).shape == (3, 20, 20)
        else:
            with pytest.raises(ImageError, match=r"more pixels than Pillow decodes in this format\. Save it"):
                read_image(path)
