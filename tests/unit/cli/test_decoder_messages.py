"""What image decoders print by themselves does not reach the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from unit_support.image_files import encoded


def test_only_our_own_line_is_printed(
    trained: Any, tmp_path: Path, ganrm: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))
    # libtiff's own code prints to file descriptor 2 about this one.
    content = encoded(noise, "TIFF", compression="tiff_adobe_deflate")
    (tmp_path / "damaged.tif").write_bytes(content[:100] + bytes(200) + content[300:])
    # Pillow warns of this one, whose pixels are sound: its directory claims more entries than there are.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x0f\0\x02\0\0\0\x80\0\0\0\xff"
    (tmp_path / "sound.jpg").write_bytes(encoded(noise, "JPEG", exif=exif))
    ran = ganrm("score", trained.checkpoint, tmp_path)
    assert ran.code == 0
    assert "sound.jpg" in ran.out
    assert ran.err.startswith('ganrm: 1 file was skipped: "damaged.tif"')
    assert len(ran.err.splitlines()) == 1
    assert capfd.readouterr() == ("", "")
