"""Finds the pair of encoders that a name or path stands for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ...backbones.weights_lookup import find_file, find_folder, in_folders
from ...utils.errors import BackboneError
from ...utils.files import shown
from ...utils.optional_imports import name_the_user
from .clip_files_pair import ClipFilesPair
from .image_text_pair import ImageTextPair
from .open_clip_pair import OpenClipPair
from .transformers_pair import TransformersPair

_OPEN_CLIP = "open_clip:"


def load_pair(name: str, text: str = "", search_folders: Sequence[Path] = ()) -> ImageTextPair:
    """Load a pair from local files, on the CPU; nothing is downloaded.

    `name` is a `transformers` folder, `open_clip:<model>/<weights file>`, or a CLIP vision file, whose text encoder is
    then the file `text`. Relative names are looked up in `search_folders`. Raises BackboneError.
    """
    name_the_user()
    # Tensors made in inference mode cannot be moved by a host later.
    with torch.inference_mode(False), torch.no_grad():
        if name.startswith(_OPEN_CLIP):
            model, _, file = name.removeprefix(_OPEN_CLIP).partition("/")
            return OpenClipPair(model, _file(file, search_folders))
        folder = find_folder(name, search_folders, "config.json")
        if folder is not None:
            return TransformersPair(folder)
        vision = _file(name, search_folders)
        if not text:
            raise BackboneError(
                f"{shown(vision)} holds the vision part of a model alone. Choose the text encoder that belongs to it too."
            )
        return ClipFilesPair(vision, _file(text, search_folders))


def _file(name: str, folders: Sequence[Path]) -> Path:
    path = find_file(name, folders) if name else None
    if path is None:
        raise BackboneError(
            f"There is no model {shown(name)}{in_folders(folders)}. Give a file, or a folder with its config.json."
        )
    return path
