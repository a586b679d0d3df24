"""Our metadata in PNG and WebP files, beside ComfyUI's, as its page reads them."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganrm_core.data.embedded_rating import embedded_rating
from ganrm_core.data.image_metadata import KEY, metadata_json, read_metadata, write_png, write_webp
from ganrm_core.data.xmp_rating import Rating, rating_packet
from ganrm_core.utils.errors import ImageError, OutputError

TEXTS = {
    "prompt": '{"1": {"inputs": {}}}',
    "workflow": '{"nodes": []}',
    KEY: metadata_json(score=0.75, seed=7),
}
MODES = ["L", "RGB", "RGBA"]


def picture(width: int = 33, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(width).integers(0, 256, (17, width, len(mode)), dtype=np.uint8)
    return Image.fromarray(pixels[..., 0] if mode == "L" else pixels)


def riff_chunks(data: bytes, *, counts_padding: bool = True) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += 8 + length + (length % 2 if counts_padding else 0)


def page_reads_webp(data: bytes, *, counts_padding: bool) -> dict[str, str]:
    """As ComfyUI's page does, version 1.27 without counting the byte after chunks of odd length."""
    texts = {}
    tiff = dict(riff_chunks(data, counts_padding=counts_padding))[b"EXIF"]
    assert tiff[:2] == b"II"
    start = struct.unpack_from("<I", tiff, 4)[0]
    for entry in range(struct.unpack_from("<H", tiff, start)[0]):
        _, form, count, at = struct.unpack_from("<HHII", tiff, start + 2 + 12 * entry)
        if form == 2:
            key, _, texts[key] = tiff[at : at + count - 1].decode("utf-8").partition(":")
    return texts


def test_metrics_leave_out_what_is_absent() -> None:
    assert json.loads(metadata_json()) == {}
    everything: dict[str, Any] = {"score": 0.5, "model": "mine", "index": 0, "seed": 0}
    assert json.loads(metadata_json(**everything)) == everything
    assert json.loads(metadata_json(score=float("nan"), index=3)) == {"index": 3}
    assert json.loads(metadata_json(score=float("-inf"))) == {}


@pytest.mark.parametrize("mode", MODES)
def test_png_and_webp_of_quality_100_keep_every_pixel(tmp_path: Path, mode: str) -> None:
    path, original = tmp_path / "a", picture(mode=mode)
    write_png(original, path, TEXTS)
    with Image.open(path) as found:
        assert (found.mode, found.tobytes()) == (mode, original.tobytes())
        assert found.text == TEXTS  # type: ignore[attr-defined]
    assert read_metadata(path) == {"score": 0.75, "seed": 7}
    expected = original.convert("RGB") if mode == "L" else original
    for quality, lossless in ((100, True), (99, False)):
        write_webp(original, path, TEXTS, quality)
        with Image.open(path) as found:
            assert (found.convert(expected.mode).tobytes() == expected.tobytes()) == lossless


@pytest.mark.parametrize("texts", [TEXTS, {}])
def test_an_xmp_packet_beside_the_texts(tmp_path: Path, texts: dict[str, str]) -> None:
    original, packet = picture(), rating_packet(4)
    write_png(original, tmp_path / "a.png", texts, packet)
    write_webp(original, tmp_path / "a.webp", texts, 100, packet)
    for path in (tmp_path / "a.png", tmp_path / "a.webp"):
        with Image.open(path) as found:
            assert found.info["xmp"] == packet.encode()
            assert found.tobytes() == original.tobytes()
        assert read_metadata(path) == ({"score": 0.75, "seed": 7} if texts else None)
        assert embedded_rating(path) == Rating(4, by_model=True)
    if texts:
        for counts_padding in (True, False):
            data = (tmp_path / "a.webp").read_bytes()
            assert page_reads_webp(data, counts_padding=counts_padding) == texts


@pytest.mark.parametrize("quality", [1, 80, 100])
@pytest.mark.parametrize("mode", MODES)
def test_the_page_finds_the_texts_of_every_webp(tmp_path: Path, mode: str, quality: int) -> None:
    path, odd = tmp_path / "a.webp", 0
    for width in range(20, 26):
        write_webp(picture(width, mode), path, TEXTS, quality)
        data = path.read_bytes()
        for counts_padding in (False, True):
            assert page_reads_webp(data, counts_padding=counts_padding) == TEXTS
        assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
        assert read_metadata(path) == {"score": 0.75, "seed": 7}
        odd += any(kind in (b"VP8L", b"ALPH") and len(part) % 2 for kind, part in riff_chunks(data))
    assert odd or quality < 100, "no file put the page to the test"


def test_files_without_metadata_of_ours(tmp_path: Path) -> None:
    write_png(picture(), tmp_path / "a.png", {})
    write_webp(picture(), tmp_path / "a.webp", {}, 90)
    picture().save(tmp_path / "a.jpg")
    for path in tmp_path.iterdir():
        assert read_metadata(path) is None
        assert not any(word in path.read_bytes() for word in (b"tEXt", b"EXIF", b"ganrm"))
    for text in ("", "no json", "[1]", "7", "[" * 100_000):
        write_png(picture(), tmp_path / "a.png", {KEY: text})
        assert read_metadata(tmp_path / "a.png") is None
    (tmp_path / "a.png").write_text("nothing")
    for name in ("a.png", "missing.png"):
        with pytest.raises(ImageError, match=name):
            read_metadata(tmp_path / name)


def test_too_large_for_webp(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Save it as png"):
        write_webp(Image.new("RGB", (16384, 1)), tmp_path / "a.webp", {}, 90)
