"""JSON file of a weighted combination of rewards: format, reading, writing and loading.

{"ganrm_combination": 1, "name": "both", "parts": [{"file": "style.safetensors", "sha256": "…", "weight": 1.0}, …]}

`file` is relative to the folder of the JSON file; `sha256` is that of the model file's content. Format 2 adds to a part

    "reward": "laion", "further": ["clip.safetensors"]       a published network (`network_spec`) and its other files;
    "architecture": "ViT-H-14"                               `sha256` is that of all their weights
    "standard": {"centre": 1.5, "spread": 0.4}               the scale it is put on (`standardisation`)

and is written only where a part has one of these, so that earlier versions read what they can.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch

from ..backbones.base import Backbone, BackboneSpec, sha256_of_files
from ..utils.bounded_json import read_json_file
from ..utils.error_text import damage
from ..utils.errors import CheckpointError, DataError, OutputError
from ..utils.files import atomic_file, check_new_file, is_file, shown
from .base import Reward
from .combination_suffix import is_combination
from .combined import CombinedReward
from .discriminator.checkpoint import read_card
from .discriminator.reward_model import RewardModel
from .network_spec import KINDS, NetworkSpec
from .standardisation import AS_IT_IS, Standard

FORMAT_VERSION = 2
_KEY = "ganrm_combination"
_MOST_BYTES = 1_000_000
_LONGEST_PATH = 1000
_MOST_MODELS, _DEEPEST = 64, 8
"""Of a combination of combinations: a few small files could name one model billions of times."""


Source = Path | NetworkSpec
"""What a part is made of: a checkpoint, another combination, or a published network."""


@dataclass(frozen=True)
class Part:
    """A model file: path relative to the combination's folder (forward slashes), sha256 of its content, weight, scale.

    `reward`: the kind of a published network, with its `further` files and `architecture`; "" for a model of ours.
    """

    file: str
    sha256: str
    weight: float
    standard: Standard = AS_IT_IS
    reward: str = ""
    further: tuple[str, ...] = ()
    architecture: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether format 1 can say it."""
        return not self.reward and self.standard == AS_IT_IS

    def to_json(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"file": self.file, "sha256": self.sha256, "weight": self.weight}
        if self.reward:
            entry["reward"] = self.reward
        if self.further:
            entry["further"] = list(self.further)
        if self.architecture:
            entry["architecture"] = self.architecture
        if self.standard != AS_IT_IS:
            entry["standard"] = {"centre": self.standard.centre, "spread": self.standard.spread}
        return entry


@dataclass(frozen=True)
class Combination:
    """Content of a combination file."""

    name: str
    parts: tuple[Part, ...]

    def to_json(self) -> dict[str, Any]:
        version = 1 if all(part.is_plain for part in self.parts) else FORMAT_VERSION
        return {_KEY: version, "name": self.name, "parts": [part.to_json() for part in self.parts]}


def write_combination(
    path: Path,
    models: Sequence[tuple[Source, float]],
    name: str = "",
    standards: Sequence[Standard] | None = None,
) -> Combination:
    """Write a new combination of checkpoints, other combinations or published networks. Refers to the files, copies none.

    `standards`: the scale of each. Raises CheckpointError for a file that is no model, DataError for unusable weights,
    OutputError where `path` exists, cannot be written or does not end in .json.
    """
    if not is_combination(path):
        raise OutputError(
            f"A combination is a .json file, not {shown(path)}. Choose a name that ends in .json."
        )
    check_new_file(path, what="the combination")
    if not any(weight for _, weight in models):
        raise DataError("No model has a weight other than 0. Give at least one a weight.")
    parts = [
        replace(_part(model, weight, path), standard=standard)
        for (model, weight), standard in zip(models, standards or [AS_IT_IS] * len(models), strict=True)
    ]
    combination = Combination(name.strip() or path.stem, tuple(parts))
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
        content = read_json_file(path, _MOST_BYTES)
        version = content[_KEY] if isinstance(content, Mapping) else None
    except (ValueError, OSError, LookupError) as error:  # JSON and UTF-8 errors are ValueErrors
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


def part_source(combination: Path, part: Part) -> Source:
    """The model file, or the published network. Raises CheckpointError where it is absent or its content changed."""
    paths = [combination.parent / file for file in (part.file, *part.further)]
    for path, file in zip(paths, (part.file, *part.further), strict=True):
        if not is_file(path) and not (part.reward and path.is_dir()):
            raise CheckpointError(
                f"{shown(combination)} combines {shown(file)}, which is not there. Put it at {shown(path)}, or combine anew."
            )
    spec = NetworkSpec(part.reward, tuple(paths), part.architecture) if part.reward else None
    if (spec.sha256() if spec else sha256_of_files(paths)) != part.sha256:
        raise CheckpointError(
            f"{shown(paths[0])} is no longer the model that {shown(combination)} combines: its content differs. Put the "
            "original back, or combine anew."
        )
    return spec or paths[0]


def load_reward(
    source: str | os.PathLike[str] | NetworkSpec,
    *,
    backbone: str | None = None,
    search_folders: Sequence[Path] = (),
    device: torch.device | str = "cpu",
    offline: bool = False,
) -> Reward:
    """Load a checkpoint, a published network, or a combination as `CombinedReward`; arguments as those of `RewardModel.load`.

    Models trained on the same backbone share one instance. `backbone` overrides it for all. Raises
    CheckpointError for a file that cannot be used, BackboneError as `RewardModel.load` does.
    """
    loaded: list[RewardModel] = []
    counted = itertools.count(1)

    def load(file: Source, depth: int = 0) -> Reward:
        if not isinstance(file, NetworkSpec) and is_combination(file):
            if depth == _DEEPEST:
                raise CheckpointError(_too_much(source, f"combinations nested more than {_DEEPEST} deep"))
            combination = read_combination(file)
            used = [part for part in combination.parts if part.weight]
            return CombinedReward(
                [load(part_source(file, part), depth + 1) for part in used],
                [part.weight for part in used],
                name=combination.name,
                standards=[part.standard for part in used],
            )
        if next(counted) > _MOST_MODELS:
            raise CheckpointError(_too_much(source, f"more than {_MOST_MODELS} models in all"))
        if isinstance(file, NetworkSpec):
            return file.load(search_folders, device)
        shared = _loaded_backbone(file, loaded)
        if shared:
            model = RewardModel.load_with(file, lambda _: shared, device=device)
        else:
            model = RewardModel.load(
                file, backbone=backbone, search_folders=search_folders, device=device, offline=offline
            )
        loaded.append(model)
        return model

    return load(source if isinstance(source, NetworkSpec) else Path(source))


def _part(model: Source, weight: float, combination: Path) -> Part:
    if not math.isfinite(weight):
        raise DataError(f"The weight of {shown(str(model))} is {weight}. Give a number such as 1 or -0.5.")
    if isinstance(model, NetworkSpec):
        first, *further = (_relative(file, combination) for file in model.files)
        return Part(
            first,
            model.sha256(),
            float(weight),
            reward=model.kind,
            further=tuple(further),
            architecture=model.architecture,
        )
    if is_combination(model):
        read_combination(model)
    else:
        read_card(model)
    return Part(_relative(model, combination), sha256_of_files([model]), float(weight))


def _relative(model: Path, combination: Path) -> str:
    """The path from the combination's folder. Raises OutputError where none leads there."""
    try:
        relative = Path(os.path.relpath(model.resolve(), combination.parent.resolve())).as_posix()
        relative.encode("utf-8")
        return relative
    except ValueError as error:  # on another drive, or not valid Unicode
        raise OutputError(
            f"No path leads from the combination to {shown(model)} that could be written down. Put both on one "
            "disk, under plain names."
        ) from error


def _read_part(entry: Mapping[str, Any]) -> Part:
    scale = entry.get("standard") or {}
    part = Part(
        entry["file"],
        entry["sha256"],
        float(entry["weight"]),
        Standard(float(scale.get("centre", 0.0)), float(scale.get("spread", 1.0))),
        entry.get("reward", ""),
        tuple(entry.get("further", ())),
        entry.get("architecture", ""),
    )
    numbers = (part.weight, part.standard.centre, part.standard.spread)
    words = (part.file, part.sha256, part.reward, part.architecture, *part.further)
    if not (all(isinstance(word, str) for word in words) and all(map(math.isfinite, numbers))):
        raise ValueError("a part that is damaged")
    if part.standard.spread <= 0:
        raise ValueError("a part without a scale")
    if part.reward not in ("", *KINDS):
        raise ValueError(f"{shown(part.reward)} is no kind of reward")
    for file in (part.file, *part.further):
        # An untrusted file may refer to its surroundings, never to a drive or another machine.
        if PurePosixPath(file).is_absolute() or PureWindowsPath(file).anchor or "\0" in file:
            raise ValueError(f"{shown(file)} does not lead from its own folder")
        if len(file) > _LONGEST_PATH:
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


def _too_much(source: object, what: str) -> str:
    return f"{shown(str(source))} holds {what}. Combine fewer with `ganrm combine`."


def _invalid_file(path: Path, why: str) -> str:
    return f"{shown(path)} is no combination of GAN-RMs, or is damaged ({why}). Make it anew with `ganrm combine`."
