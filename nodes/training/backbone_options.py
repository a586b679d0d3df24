"""Options of the backbone widget, and loading the chosen backbone.

The option values are stable names; download sizes and states are in the tooltip.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...ganrm_core.backbones.base import Backbone, sha256_of_files
from ...ganrm_core.backbones.open_clip_weights import KNOWN, download, find_weights, is_downloaded
from ...ganrm_core.backbones.registry import DEFAULT_BACKBONE, load_backbone
from ...ganrm_core.utils.errors import BackboneError
from ...ganrm_core.utils.files import shown
from ...ganrm_core.utils.progress import ProgressCallback
from ..host import model_files
from ..host.folders import BACKBONES

_FILE = "file:"
_SIZE = re.compile(r"(?<=-)(B|L|H|SO400M)(?=-)")


def choices() -> list[str]:
    """The built-in backbone, every file in models/clip_vision, and the known OpenCLIP names."""
    return [DEFAULT_BACKBONE, *(f"{_FILE}{name}" for name in _vision_files()), *(k.name for k in KNOWN)]


def tooltip() -> str:
    """The widget's tooltip: the kinds of backbones, download sizes, and what is downloaded already."""
    places = model_files.backbone_folders()
    here = [_model(known.name) for known in KNOWN if is_downloaded(known.name, places)]
    lines = [
        "The pretrained network that looks at the pictures.",
        f"{DEFAULT_BACKBONE}: built in and quick. Begin with it.",
        "file:…: your own, from models/clip_vision.",
        f"open_clip:…: larger and slower. The first training downloads it to models/{BACKBONES}: {_sizes()}.",
    ]
    if here:
        lines.append(f"Downloaded already: {', '.join(here)}.")
    return "\n".join(lines)


def _model(name: str) -> str:
    """ "open_clip:ViT-B-32/laion2b_s34b_b79k" → "ViT-B-32"."""
    return name.partition(":")[2].partition("/")[0]


def _sizes() -> str:
    """Download sizes by architecture size, such as "B 0.6 to 1.5 GB, H 3.9 GB"."""
    by_size: dict[str, list[float]] = {}
    for known in KNOWN:
        size = _SIZE.search(_model(known.name))
        by_size.setdefault(size[0] if size else _model(known.name), []).append(known.gigabytes)
    ranges = {size: sorted({f"{value:.1f}" for value in values}) for size, values in by_size.items()}
    return ", ".join(f"{size} {' to '.join(dict.fromkeys((r[0], r[-1])))} GB" for size, r in ranges.items())


def check(value: str) -> None:
    """Raise BackboneError for a value that is not an option: a shared workflow is untrusted."""
    if isinstance(value, str) and value.startswith(_FILE):
        _file_path(value)
    elif value != DEFAULT_BACKBONE and value not in [known.name for known in KNOWN]:
        raise BackboneError(
            f"{shown(str(value))} is not a backbone that is offered here. Choose one from the list; to use another "
            "network, put its .safetensors file into models/clip_vision and press R on the page."
        )


def identity(value: str) -> str:
    """Cache key of the backbone: its name, or for files the SHA-256 of their content, whatever they are called."""
    return f"{_FILE}{sha256_of_files([_file_path(value)])}" if value.startswith(_FILE) else value


def fingerprint(value: str | None) -> str:
    """Size and modification time of the chosen file, "" for other backbones. Never raises."""
    try:
        about = _file_path(value).stat() if isinstance(value, str) and value.startswith(_FILE) else None
    except (BackboneError, OSError):
        return "missing"
    return f"{about.st_size} {about.st_mtime_ns}" if about else ""


def load(value: str, progress: ProgressCallback) -> Backbone:
    """The chosen backbone on the CPU, downloaded first if needed.

    An exception raised by `progress` stops the download and leaves no partial file.
    """
    check(value)
    places = model_files.backbone_folders()
    if value.startswith(_FILE):
        value = f"{_FILE}{_file_path(value)}"
    elif value != DEFAULT_BACKBONE and find_weights(value, places) is None:
        download(value, model_files.download_folder(), progress)
    return load_backbone(value, search_folders=places, offline=True)


def _vision_files() -> list[str]:
    # Forward slashes on every system, so that a workflow made on Windows runs elsewhere.
    return [name.replace("\\", "/") for name in model_files.vision_files()]


def _file_path(value: str) -> Path:
    name = value.removeprefix(_FILE).replace("\\", "/")
    if name in _vision_files():
        for folder in model_files.backbone_folders():
            if (path := folder / name).is_file():
                return path
    raise BackboneError(
        f"The vision model {shown(name)} is not on this machine. Put the file into ComfyUI's models/clip_vision "
        "and press R on the page, or choose another backbone."
    )
