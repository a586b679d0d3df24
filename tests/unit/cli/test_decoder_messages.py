"""What image decoders print by themselves does not reach the terminal."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
from fuzz_support.checkpoint_seeds import Seeds
from PIL import Image

ROOT = Path(__file__).parents[3]


def encoded(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, kind, **options)
    return buffer.getvalue()


def damaged_tiff() -> bytes:
    """Of which libtiff speaks on standard error."""
    content = encoded("TIFF", compression="tiff_adobe_deflate")
    return content[:100] + bytes(200) + content[300:]


def half_broken_exif() -> bytes:
    """Of which Pillow warns, and whose pixels are sound: its directory claims more entries than there are."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x0f\0\x02\0\0\0\x80\0\0\0\xff"
    return encoded("JPEG", exif=exif)


def test_only_our_own_line_is_printed(tmp_path: Path, model_files: Seeds) -> None:
    (tmp_path / "damaged.tif").write_bytes(damaged_tiff())
    (tmp_path / "sound.jpg").write_bytes(half_broken_exif())
    model = model_files.folder / model_files.checkpoints[0]
    command = [
        sys.executable,
        "-m",
        "ganrm_core.cli",
        "score",
        model,
        tmp_path,
        "--cache",
        "off",
        "--device",
        "cpu",
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = [line for line in ran.stderr.replace("\r", "\n").splitlines() if line.strip()]
    assert ran.returncode == 0
    assert "sound.jpg" in ran.stdout
    assert [line for line in said if not line.startswith("scoring")] == [
        line for line in said if "damaged.tif" in line
    ]
    assert sum(line.startswith("ganrm: 1 file was skipped") for line in said) == 1
