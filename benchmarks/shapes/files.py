"""Folder of the trained shape generator."""

from __future__ import annotations

import os
from pathlib import Path

FLOW = "ganrm_shapes_flow.safetensors"
EPS = "ganrm_shapes_eps.safetensors"
"""The transformer that predicts the noise."""
VAE = "ganrm_shapes_vae.safetensors"


def generator_folder() -> Path:
    """$GANRM_SHAPES, else a folder in the user's cache, outside the repository."""
    chosen = os.environ.get("GANRM_SHAPES")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(chosen) if chosen else cache / "ganrm" / "shapes"
