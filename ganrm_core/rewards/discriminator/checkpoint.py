"""Checkpoint file (safetensors): head and adapter tensors, and a JSON card in the header (docs/checkpoint-format.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...utils.error_text import damage
from ...utils.errors import CheckpointError, OutputError
from ...utils.file_names import fits
from ...utils.files import atomic_file, is_file, shown
from ...utils.safetensors_io import open_safetensors
from ...utils.strict_json import strict_json

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 5
"""Version 5 adds `histograms`, columns of the head that older readers do not know.
Version 4 added `head_config`, by which a model is refined: older readers would look for it in the sentence `chosen_head`.
Version 3 added `preprocessing.frame`; older readers would ignore it, and so score framed pictures differently."""
HEADER_KEY = "ganrm"
COMPANION_SUFFIX = ".features.safetensors"
"""Suffix of the feature archive beside a checkpoint (`training.feature_archive`)."""
_SECTIONS = (
    "backbone", "adapter", "calibration", "preprocessing", "metrics", "thresholds", "leak_audit", "provenance"
)  # fmt: skip
"""Entries of a card that are objects, or null."""
_NO_MODELS = (COMPANION_SUFFIX, ".part.safetensors")
_HEADER_LIMIT = 8_000_000  # parsed, JSON takes up to 25 times its length; cards have some hundred kilobytes
_MOST_BYTES = 2**30
"""Of a file whose tensors are read: heads and adapters have at most some hundred megabytes."""


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and the card, a JSON object."""

    tensors: dict[str, Tensor]
    card: dict[str, Any]


def check_model_path(path: Path) -> None:
    """Raise OutputError for a model's file name that is too long, or reserved for feature archives or partial files."""
    if not fits(path):
        raise OutputError(f"The name {shown(path.name)} is too long for this disk. Choose a shorter one.")
    if (name := path.name.lower()).endswith(_NO_MODELS):
        what = "a model's features" if name.endswith(COMPANION_SUFFIX) else "a file that is not complete yet"
        raise OutputError(
            f"A model cannot be named {shown(path.name)}: that is the name of {what}. Give it a name that does not end in "
            f"{shown(Path(path.stem).suffix)}."
        )


def save_checkpoint(checkpoint: Checkpoint, path: Path, *, overwrite: bool = False) -> None:
    """Write `checkpoint` to `path` atomically.

    Raises OutputError where `path` exists (unless `overwrite`), cannot be written, or is refused by
    `check_model_path`.
    """
    check_model_path(path)
    content = to_bytes(checkpoint)
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """Serialise; equal checkpoints give equal bytes."""
    from safetensors.torch import save

    card = {**checkpoint.card, "format_version": FORMAT_VERSION}
    # One header key: safetensors does not keep the order of several, and bytes must be reproducible.
    header = {HEADER_KEY: json.dumps(strict_json(card), sort_keys=True, allow_nan=False)}
    tensors = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in sorted(checkpoint.tensors.items())
    }
    return bytes(save(tensors, metadata=header))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises CheckpointError where the file is absent, damaged, not ours or newer."""
    card = read_card(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"with more than {_MOST_BYTES >> 30} GB it is far too large for a reward model")
        with open_safetensors(path) as file:
            tensors = {name: file.get_tensor(name) for name in list(file.keys())}
    except Exception as error:
        raise CheckpointError(_damaged(path, damage(error))) from error
    return Checkpoint(tensors, card)


def read_card(path: Path) -> dict[str, Any]:
    """Read the card alone, without the tensors. Raises CheckpointError."""
    metadata = _read_header(path).get("__metadata__", {})
    if not isinstance(metadata, Mapping) or HEADER_KEY not in metadata:
        raise CheckpointError(
            f"{shown(path)} is a safetensors file but not a GAN-RM checkpoint. Choose a file made by `ganrm train`."
        )
    try:
        card = strict_json(json.loads(metadata[HEADER_KEY]))
        version = card["format_version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(_damaged(path, damage(error))) from error
    if type(version) is not int or version < 1:
        raise CheckpointError(_damaged(path, f"its format version is {version!r:.40}"))
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{shown(path)} has checkpoint format {version}; this version of GAN-RM reads up to {FORMAT_VERSION}. "
            "Update it with: pip install --upgrade gan-rm"
        )
    for name in _SECTIONS:
        if not isinstance(card.get(name) or {}, Mapping):
            raise CheckpointError(_damaged(path, f"its {name} is no object"))
    return dict(card)


def _read_header(path: Path) -> dict[str, Any]:
    if not is_file(path):
        raise CheckpointError(
            f"There is no checkpoint at {shown(path)}. Check the path, or train one with `ganrm train`."
        )
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= path.stat().st_size - 8:
                raise ValueError("its header is cut off or is not one")
            if length > _HEADER_LIMIT:
                raise ValueError(f"its header is larger than {_HEADER_LIMIT / 1e6:g} MB")
            header = json.loads(file.read(length))
    except (ValueError, OSError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
        raise CheckpointError(_damaged(path, damage(error))) from error
    if not isinstance(header, dict):
        raise CheckpointError(_damaged(path, "its header is not an object"))
    return header


def _damaged(path: Path, why: str) -> str:
    return (
        f"{shown(path)} is damaged or is not a safetensors file ({why}). "
        "Copy or download it again, or train it anew with `ganrm train`."
    )
