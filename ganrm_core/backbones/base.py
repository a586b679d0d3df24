"""`Backbone` interface: a frozen vision encoder read at several depths, and the spec that identifies it."""

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
    """A layer whose output is read as features.

    A `pooled` tap gives one vector per picture (class token, projected embedding), any other one per position.
    """

    name: str
    width: int
    pooled: bool = False


@dataclass(frozen=True)
class BackboneSpec:
    """Identity, preprocessing and taps of a backbone.

    `name` is what `load_backbone` takes, prefix included, without folders of this machine. `weights_sha256` is that
    of the weights file (`sha256_of_files` for several). `mean` and `std` normalise RGB in 0–1. `embedding` names the
    pooled tap that the authors use as the image embedding.
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
        """Raises LookupError, TypeError or ValueError for anything `to_json` does not give."""
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
    """Batch size, memory layout and threading on a kind of device; constants, so that results are reproducible.

    `side_by_side`: batches run faster in parallel, one thread each, than one by one on all cores. Only for networks
    whose forward pass is stateless (no hooks).
    """

    batch_size: int
    channels_last: bool
    side_by_side: bool = False


# Relative to the float32 input: 12 to 43 from EfficientNet-lite0 to ViT-H/14 (benchmarks/activations.py), plus margin.
_ACTIVATIONS_PER_INPUT = 60


class Backbone(nn.Module, ABC):
    """A pretrained vision encoder with features at several depths.

    Subclasses set `spec` in `__init__` and are in eval mode, float32, with `requires_grad` off. They are built
    outside inference mode (see `load_backbone`).
    """

    spec: BackboneSpec

    @abstractmethod
    def features(self, pixels: Tensor, last: str | None = None) -> list[Tensor]:
        """Forward pass: one [B, T_i, D_i] per tap in the order of `spec.taps`; T_i is 1 for pooled taps.

        `pixels`: [B, 3, S, S], normalised with `spec.mean` and `spec.std`. Taps after the one called `last` may be
        left out to save time. Gradients flow through.
        """

    @property
    def bytes_per_picture(self) -> int:
        """Estimated activation memory per picture of a batch. Patches of 8 pixels may take more."""
        return 3 * self.spec.input_size**2 * 4 * _ACTIVATIONS_PER_INPUT

    @abstractmethod
    def plan(self, device_type: str) -> ExecutionPlan:
        """Execution plan for `device_type` ("cpu", "cuda", "mps", …)."""

    def adaptable_modules(self, last_blocks: int) -> list[str]:
        """Names (as in `named_modules`) of the linear layers LoRA may adapt in the last blocks; may be empty."""
        del last_blocks
        return []


def freeze(module: nn.Module) -> None:
    """Eval mode, float32, no gradients for parameters."""
    module.eval().float().requires_grad_(False)


def sha256_of_files(paths: Sequence[Path]) -> str:
    """The sha256 of one file; of several, the sha256 of their hex digests in sorted path order. Cached."""
    if not paths:
        raise BackboneError("No weights file to fingerprint.")
    digests = [cached_file_sha256(path) for path in sorted(paths)]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def with_spatial_tokens(feature_map: Tensor) -> Tensor:
    """[B, D, H, W] → [B, H·W, D]."""
    return feature_map.flatten(2).transpose(1, 2)
