"""What every backbone is to the rest of the library."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..utils.errors import BackboneError
from ..utils.file_hash import cached_file_sha256


@dataclass(frozen=True)
class Tap:
    """A depth whose features are read.

    `pooled` taps give one vector for the whole picture (a class token, a projected embedding), the
    others one vector per position.
    """

    name: str
    width: int
    pooled: bool = False


@dataclass(frozen=True)
class BackboneSpec:
    """Everything needed to find a backbone again and to feed it rightly.

    `name` is what `load_backbone` takes, prefix included, without the folders of the machine it
    was made on. `weights_sha256` is that of the weights file (`sha256_of_files` for several).
    `mean` and `std` normalise RGB in 0–1. `embedding` names the pooled tap that the backbone's
    authors use as the picture's embedding.
    """

    family: str
    name: str
    weights_sha256: str
    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    taps: tuple[Tap, ...]
    embedding: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> BackboneSpec:
        """Raises LookupError, TypeError or ValueError for what `to_json` never gave."""
        taps = tuple(Tap(**tap) for tap in data["taps"])
        spec = cls(**{**data, "mean": tuple(data["mean"]), "std": tuple(data["std"]), "taps": taps})
        if not all(
            isinstance(text, str) for text in (spec.family, spec.name, spec.weights_sha256, spec.embedding)
        ):
            raise ValueError("a backbone without a name")
        if not all(type(tap.width) is int and tap.width > 0 for tap in taps):
            raise ValueError("a backbone without a width")
        return spec


@dataclass(frozen=True)
class ExecutionPlan:
    """How a backbone runs on a kind of device: fixed, never timed, so that results repeat.

    `side_by_side`: several batches at once, a thread each, take less time than one after the other by all cores. Only
    for networks that keep nothing of one call where another could find it, such as a hook.
    """

    batch_size: int
    channels_last: bool
    side_by_side: bool = False


# Of its float32 input: 12 to 43 from EfficientNet-lite0 to ViT-H/14 (benchmarks/activations.py), and room to spare.
_ACTIVATIONS_PER_INPUT = 60


class Backbone(nn.Module, ABC):
    """A pretrained vision network, read at several depths.

    Subclasses set `spec` in `__init__` and leave the module in eval mode, float32, with
    `requires_grad` off. They are built outside inference mode (see `load_backbone`).
    """

    spec: BackboneSpec

    @abstractmethod
    def features(self, pixels: Tensor, last: str | None = None) -> list[Tensor]:
        """Read the taps.

        `pixels`: [B, 3, S, S], already normalised with `spec.mean` and `spec.std`. Returns one
        [B, T_i, D_i] per tap in the order of `spec.taps`; T_i is 1 for pooled taps. Those after the one
        called `last` may be left out, and what only they need be saved. No gradient is stopped here: the
        caller decides.
        """

    @property
    def bytes_per_picture(self) -> int:
        """Memory to reserve for one picture of a batch on its way.

        Patches of 8 pixels may take more: a batch that does not fit is halved.
        """
        return 3 * self.spec.input_size**2 * 4 * _ACTIVATIONS_PER_INPUT

    @abstractmethod
    def plan(self, device_type: str) -> ExecutionPlan:
        """How to run on `device_type` ("cpu", "cuda", "mps", …)."""

    def adaptable_modules(self, last_blocks: int) -> list[str]:
        """Names (as in `named_modules`) of the linear layers LoRA may adapt in the last blocks.

        Empty where the family cannot be adapted.
        """
        del last_blocks
        return []


def freeze(module: nn.Module) -> None:
    """Put `module` into the state every backbone is kept in."""
    module.eval().float().requires_grad_(False)


def sha256_of_files(paths: Sequence[Path]) -> str:
    """The plain sha256 of one file; of several, the sha256 of their digests in sorted name order."""
    if not paths:
        raise BackboneError("No weights file to fingerprint.")
    digests = [cached_file_sha256(path) for path in sorted(paths)]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def with_spatial_tokens(feature_map: Tensor) -> Tensor:
    """[B, D, H, W] → [B, H·W, D]."""
    return feature_map.flatten(2).transpose(1, 2)
