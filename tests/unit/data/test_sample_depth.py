"""More than 8 bits to 8 bits: 16-bit and 32-bit greys, floats, and PNM of every depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from unit_support.tiff_files import BLACK_IS_ZERO, Layout, tiff

from ganrm_core.data import sample_depth
from ganrm_core.data.image_io import UnreadableImageError, from_pil, read_image

Values = NDArray[Any]


def ramp(low: float, high: float) -> Values:
    return np.linspace(low, high, 400, dtype=np.float32).reshape(20, 20)


def as_file(values: Values, path: Path) -> Path:
    layout = Layout(BLACK_IS_ZERO, 32, 3 if values.dtype == np.float32 else 2)
    path.write_bytes(tiff(values[..., None], layout))
    return path


def lit(values: Values, high: float, share: float) -> Values:
    """The same with a share of its values raised to `high`."""
    lit = values.copy()
    lit.flat[: int(lit.size * share)] = high
    return lit


# values, and which of them is white
FLOATS: dict[str, tuple[Values, float]] = {
    "0 to 1": (ramp(0, 1), 1),
    "lights of a scene": (lit(ramp(0, 1), 40.0, 0.1), 1),
    "one spark of the sun": (lit(ramp(0, 1), 60000.0, 0.01), 1),
    "0 to 255": (ramp(0, 255), 255),
    "0 to 255, sharpened": (ramp(-20, 290), 255),
    "8 bits as floats, and very dark": (np.rint(ramp(0, 9)), 255),
    "8 bits as floats, mostly black": (lit(np.rint(ramp(0, 1)), 200.0, 0.1), 255),
    "0 to 65535": (ramp(0, 65535), 65535),
    "16 bits as floats, and dark": (np.rint(ramp(0, 4000)), 65535),
}


@pytest.mark.parametrize("name", FLOATS)
def test_floats(name: str, tmp_path: Path) -> None:
    values, white = FLOATS[name]
    expected = np.clip(np.rint(values.astype(np.float64) * 255 / white), 0, 255)
    for image in (read_image(as_file(values, tmp_path / "a")), from_pil(Image.fromarray(values))):
        assert np.abs(image.numpy().astype(float) - expected).max() <= 1


@pytest.mark.parametrize(
    ("values", "reach"),
    [
        (ramp(0, 10), "10"),
        (ramp(0, 4095), "4095"),
        (ramp(0, 1e6), r"1e\+06"),
        (ramp(-300, 300).astype(np.int32), "-300"),
    ],
)
def test_an_unknown_range_is_refused(values: Values, reach: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=rf"values reach {reach}, which is no known range.*8 bits"):
        read_image(as_file(values, tmp_path / "a"))


def test_a_large_picture_is_converted_in_bands_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 256, (23, 31, 4), dtype=np.uint8)
    floats = values[..., 0].astype(np.float32) / 255
    pictures = [Image.fromarray(values), Image.fromarray(values).quantize(9), Image.fromarray(floats)]
    pictures += [Image.fromarray(values[..., :3]), Image.fromarray(values[..., 0].astype(np.uint16) * 257)]
    whole = [from_pil(picture) for picture in pictures]
    for pixels in (1, 62, 100, 31 * 23 - 1):
        monkeypatch.setattr(sample_depth, "_AT_ONCE", pixels)
        for picture, expected in zip(pictures, whole, strict=True):
            assert (from_pil(picture) == expected).all(), (picture.mode, pixels)


@pytest.mark.parametrize("highest", [1, 15, 255, 256, 1023, 65535])
@pytest.mark.parametrize("magic", [b"P2", b"P3", b"P5", b"P6"])
def test_pnm(magic: bytes, highest: int, tmp_path: Path) -> None:
    count = 3 if magic in (b"P3", b"P6") else 1
    for most in (max(1, highest // 300), highest):
        values = np.random.default_rng(highest).integers(0, most + 1, (7, 9, count))
        head = b"%s\n# by hand\n9 7\n%d\n" % (magic, highest)
        if magic in (b"P2", b"P3"):
            body = b" ".join(b"%d" % value for value in values.ravel()) + b"\n"
        else:
            body = values.astype(np.uint8 if highest < 256 else ">u2").tobytes()
        (tmp_path / "a").write_bytes(head + body)
        image = read_image(tmp_path / "a").permute(1, 2, 0).numpy()
        assert np.abs(image - values / highest * 255).max() <= 0.51
