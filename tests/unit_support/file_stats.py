"""File statistics of imaginary pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ganrm_core.leakage.forensics.file_stats import FileStats

PNG = FileStats(
    container="PNG",
    lossless=True,
    jpeg_quality=None,
    jpeg_subsampling=None,
    webp_quantiser=None,
    bytes_per_pixel=2.0,
    width=120,
    height=80,
    mode="RGB",
    alpha="none",
    colour_tag="none",
    border=(0, 0, 0, 0),
    bands=(0.0,) * 12,
    jpeg_traces=0.0,
    colour=(0.5,) * 5,
)


def plain_stats(number: int) -> FileStats:
    """A PNG that differs from picture to picture in whatever differs in real ones."""
    rng = np.random.default_rng(number)
    fall = np.linspace(5.5, 1.0, 12) + rng.normal(0, 0.4) * np.linspace(0, 1, 12) + rng.normal(0, 0.05, 12)
    width, height = rng.choice([512, 768, 1024], 2)
    return replace(
        PNG,
        bytes_per_pixel=float(rng.lognormal(0.3, 0.4)),
        width=int(width),
        height=int(height),
        bands=tuple(fall.tolist()),
        jpeg_traces=0.1 * float(abs(rng.normal(0, 0.02)) > 0.05),
        colour=tuple(rng.uniform(0.2, 0.7, 5).tolist()),
    )
