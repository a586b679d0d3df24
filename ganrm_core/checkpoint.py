"""One safetensors file: the weights, and what it takes to use them rightly.

The format is documented in docs/checkpoint-format.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from .errors import CheckpointError
from .files import atomic_file, is_file, shown
from .reasons import damage

FORMAT_VERSION = 2
HEADER_KEY = "ganrm"
_HEADER_LIMIT = 100_000_000  # the limit safetensors itself sets


@dataclass(frozen=True)
class Checkpoint:
    """What the file holds: tensors by name, and the card, a JSON object."""

    tensors: dict[str, Tensor]
    card: dict[str, Any]


def save_checkpoint(checkpoint: Checkpoint, path: Path, *, overwrite: bool = False) -> None:
    """Write `checkpoint` to `path`, wholly or not at all.

    Raises OutputError where `path` exists (unless `overwrite`) or cannot be written.
    """
    content = to_bytes(checkpoint)
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """The content of the file. Equal checkpoints give equal bytes."""
    from safetensors.torch import save

    card = {**checkpoint.card, "format_version": FORMAT_VERSION}
    # A single header key: safetensors does not keep the order of several, and bytes must repeat.
    header = {HEADER_KEY: json.dumps(strict_json(card), sort_keys=True, allow_nan=False)}
    tensors = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in sorted(checkpoint.tensors.items())
    }
    return bytes(save(tensors, metadata=header))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises CheckpointError where the file is absent, damaged, not ours or newer."""
    from safetensors.torch import load_file

    card = read_card(path)
    try:
        tensors = load_file(str(path))
    except Exception as error:
        raise CheckpointError(_damaged(path, damage(error))) from error
    return Checkpoint(tensors, card)


def read_card(path: Path) -> dict[str, Any]:
    """The checkpoint's card alone, without its tensors."""
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
    return dict(card)


def _read_header(path: Path) -> dict[str, Any]:
    if not is_file(path):
        raise CheckpointError(
            f"There is no checkpoint at {shown(path)}. Check the path, or train one with `ganrm train`."
        )
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_HEADER_LIMIT, path.stat().st_size - 8):
                raise ValueError("its header is cut off or is not one")
            header = json.loads(file.read(length))
    except (ValueError, OSError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
        raise CheckpointError(_damaged(path, damage(error))) from error
    if not isinstance(header, dict):
        raise CheckpointError(_damaged(path, "its header is not an object"))
    return header


def strict_json(value: Any) -> Any:
    """JSON knows no NaN; what could not be measured is null."""
    if isinstance(value, Mapping):
        return {key: strict_json(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict_json(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _damaged(path: Path, why: str) -> str:
    return (
        f"{shown(path)} is damaged or is not a safetensors file ({why}). "
        "Copy or download it again, or train it anew with `ganrm train`."
    )
