"""LoRA adapter: low-rank weight updates, their checkpoint format, and merging them into a backbone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...backbones.base import Backbone
from ...utils.errors import CheckpointError

_OVERFLOWS = 1e6
"""Bound on alpha and tensor entries, far above trained values; beyond it the network would overflow."""
_DAMAGED = "The checkpoint's adapter is damaged or of an unknown kind. Train it anew."


@dataclass(frozen=True)
class Adapter:
    """Low-rank updates of linear layers: weight += alpha / rank · B @ A (Hu et al. 2021, arXiv 2106.09685).

    `tensors` holds `<module>.A` [rank, in] and `<module>.B` [out, rank] for each adapted module.
    """

    rank: int
    alpha: float
    tensors: dict[str, Tensor]

    @property
    def modules(self) -> list[str]:
        return sorted(name.removesuffix(".A") for name in self.tensors if name.endswith(".A"))

    def settings(self) -> dict[str, Any]:
        return {"kind": "lora", "rank": self.rank, "alpha": self.alpha, "modules": self.modules}

    def sha256(self) -> str:
        """Digest of the tensors, in hex."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.tensors.items()):
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    @classmethod
    def from_checkpoint(cls, settings: Mapping[str, Any], tensors: dict[str, Tensor]) -> Adapter:
        """Rebuild from `settings()` and the tensors. Raises CheckpointError where they do not fit."""
        try:
            adapter = cls(int(settings["rank"]), float(settings["alpha"]), tensors)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise CheckpointError(_DAMAGED) from error
        if adapter.rank < 1 or settings.get("kind") != "lora" or adapter.modules != settings.get("modules"):
            raise CheckpointError(_DAMAGED)
        # False for NaN too.
        if not all(float(value.abs().max()) < _OVERFLOWS for value in adapter._values() if value.numel()):
            raise CheckpointError(_DAMAGED)
        return adapter

    def _values(self) -> list[Tensor]:
        return [torch.tensor(self.alpha), *(tensor.float() for tensor in self.tensors.values())]


def merge_adapter(backbone: Backbone, adapter: Adapter) -> None:
    """Add the low-rank updates to the backbone's weights in place. Raises CheckpointError where a layer differs."""
    linears = {name: module for name, module in backbone.named_modules() if isinstance(module, nn.Linear)}
    with torch.no_grad():
        for name in adapter.modules:
            if name not in linears:
                raise CheckpointError(
                    f"The adapter changes {name!r}, which this backbone does not have here. "
                    "Libraries name layers differently: install the versions that `ganrm info --json` lists."
                )
            weight = linears[name].weight
            down, up = adapter.tensors.get(f"{name}.A"), adapter.tensors.get(f"{name}.B")
            rows, columns = weight.shape
            expected = (rows, adapter.rank), (adapter.rank, columns)
            if down is None or up is None or (up.shape, down.shape) != expected:
                raise CheckpointError(f"The adapter of {name!r} does not fit its layer. {_DAMAGED}")
            weight += (adapter.alpha / adapter.rank * (up.float() @ down.float())).to(weight)
