"""JSON file of a weighted combination of reward models: format, reading, writing and loading.

{"ganrm_combination": 1, "name": "both", "parts": [{"file": "style.safetensors", "sha256": "…", "weight": 1.0}, …]}

`file` is relative to the folder of the JSON file; `sha256` is that of the model file's content.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch

from ..backbones.base import Backbone, BackboneSpec, sha256_of_files
from ..utils.error_text import damage
from ..utils.errors import CheckpointError, DataError, OutputError
from ..utils.files import atomic_file, check_new_file, is_file, shown
from .base import Reward
from .combined import CombinedReward
from .discriminator.checkpoint import read_card
from .discriminator.reward_model import RewardModel

SUFFIX = ".json"
FORMAT_VERSION = 1
_KEY = "ganrm_combination"
_MOST_BYTES = 1_000_000
_LONGEST_PATH = 1000


@dataclass(frozen=True)
class Part:
    """A model file: path relative to the combination's folder (forward slashes), sha256 of its content, weight."""

    file: str
    sha256: str
    weight: float


@dataclass(frozen=True)
class Combination:
    """Content of a combination file."""

    name: str
    parts: tuple[Part, ...]

    def to_json(self) -> dict[str, Any]:
        parts = [{"file": part.file, "sha256": part.sha256, "weight": part.weight} for part in self.parts]
        return {_KEY: FORMAT_VERSION, "name": self.name, "parts": parts}


def is_combination(path: Path) -> bool:
    return path.suffix.lower() == SUFFIX


def write_combination(path: Path, models: Sequence[tuple[Path, float]], name: str = "") -> Combination:
    """Write a new combination of checkpoints or other combinations. Refers to the files, copies none.

    Raises CheckpointError for a file that is no model, DataError for unusable weights, OutputError where `path`
    exists, cannot be written or does not end in .json.
    """
    if not is_combination(path):
        raise OutputError(
            f"A combination is a .json file, not {shown(path)}. Choose a name that ends in .json."
        )
    check_new_file(path, what="the combination")
    if not any(weight for _, weight in models):
        raise DataError("No model has a weight other than 0. Give at least one a weight.")
    combination = Combination(
        name.strip() or path.stem, tuple(_part(model, weight, path) for model, weight in models)
    )
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(combination.to_json(), indent=1) + "\n", encoding="utf-8")
    return combination


def read_combination(path: Path) -> Combination:
    """Raises CheckpointError where the file is absent, damaged, not ours or newer."""
    if not is_file(path):
        raise CheckpointError(
            f"There is no combination at {shown(path)}. Check the path, or make one with `ganrm combine`."
        )
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is far too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content[_KEY] if isinstance(content, Mapping) else None
    except (
        ValueError,
        OSError,
        LookupError,
        RecursionError,
    ) as error:  # JSON and UTF-8 errors are ValueErrors
        raise CheckpointError(_invalid_file(path, damage(error))) from error
    if type(version) is not int or version < 1:
        raise CheckpointError(_invalid_file(path, f"its format version is {version!r:.40}"))
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{shown(path)} has combination format {version}; this version of GAN-RM reads up to {FORMAT_VERSION}. "
            "Update it with: pip install --upgrade gan-rm"
        )
    try:
        parts = tuple(_read_part(entry) for entry in content["parts"])
        if not any(part.weight for part in parts):
            raise ValueError("no part has a weight")
        return Combination(str(content.get("name") or path.stem), parts)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise CheckpointError(_invalid_file(path, damage(error))) from error


def part_path(combination: Path, part: Part) -> Path:
    """Path of the model file. Raises CheckpointError where it is absent or its content changed."""
    path = combination.parent / part.file
    if not is_file(path):
        raise CheckpointError(
            f"{shown(combination)} combines {shown(part.file)}, which is not there. Put it at {shown(path)}, or combine anew."
        )
    if sha256_of_files([path]) != part.sha256:
        raise CheckpointError(
            f"{shown(path)} is no longer the model that {shown(combination)} combines: its content differs. Put the "
            "original back, or combine anew."
        )
    return path


def load_reward(
    path: str | os.PathLike[str],
    *,
    backbone: str | None = None,
    search_folders: Sequence[Path] = (),
    device: torch.device | str = "cpu",
    offline: bool = False,
) -> Reward:
    """Load a checkpoint, or a combination as `CombinedReward`; arguments as those of `RewardModel.load`.

    Models trained on the same backbone share one instance. `backbone` overrides it for all. Raises
    CheckpointError for a file that cannot be used, BackboneError as `RewardModel.load` does.
    """
    loaded: list[RewardModel] = []

    def load(file: Path) -> Reward:
        if is_combination(file):
            combination = read_combination(file)
            used = [part for part in combination.parts if part.weight]
            rewards = [load(part_path(file, part)) for part in used]
            return CombinedReward(rewards, [part.weight for part in used], name=combination.name)
        shared = _loaded_backbone(file, loaded)
        if shared:
            model = RewardModel.load_with(file, lambda _: shared, device=device)
        else:
            model = RewardModel.load(
                file, backbone=backbone, search_folders=search_folders, device=device, offline=offline
            )
        loaded.append(model)
        return model

    return load(Path(path))


def _part(model: Path, weight: float, combination: Path) -> Part:
    if not math.isfinite(weight):
        raise DataError(f"The weight of {shown(model)} is {weight}. Give a number such as 1 or -0.5.")
    if is_combination(model):
        read_combination(model)
    else:
        read_card(model)
    try:
        relative = Path(os.path.relpath(model.resolve(), combination.parent.resolve())).as_posix()
        relative.encode("utf-8")
    except ValueError as error:  # on another drive, or not valid Unicode
        raise OutputError(
            f"No path leads from the combination to {shown(model)} that could be written down. Put both on one "
            "disk, under plain names."
        ) from error
    return Part(relative, sha256_of_files([model]), float(weight))


def _read_part(entry: Mapping[str, Any]) -> Part:
    part = Part(entry["file"], entry["sha256"], float(entry["weight"]))
    if not (isinstance(part.file, str) and isinstance(part.sha256, str) and math.isfinite(part.weight)):
        raise ValueError("a part that is damaged")
    # An untrusted file may refer to its surroundings, never to a drive or another machine.
    if PurePosixPath(part.file).is_absolute() or PureWindowsPath(part.file).anchor or "\0" in part.file:
        raise ValueError(f"{shown(part.file)} does not lead from its own folder")
    if len(part.file) > _LONGEST_PATH:
        raise ValueError("a path that is far too long")
    return part


def _loaded_backbone(file: Path, loaded: Sequence[RewardModel]) -> Backbone | None:
    """The backbone of a model loaded before, where it is the one of this checkpoint and neither has an adapter."""
    card = read_card(file)
    try:
        spec = BackboneSpec.from_json(card["backbone"])
    except (LookupError, TypeError, ValueError, AttributeError):
        return None  # loading raises the error
    if card.get("adapter"):
        return None
    return next((m.backbone for m in loaded if m.adapter is None and m.backbone.spec == spec), None)


def _invalid_file(path: Path, why: str) -> str:
    return f"{shown(path)} is no combination of GAN-RMs, or is damaged ({why}). Make it anew with `ganrm combine`."
