"""Renames tensors of DINOv2 checkpoints to the names that every version of `transformers` reads.

Newer versions call the attention's layers `q_proj`, `k_proj`, `v_proj` and `o_proj` and hold a gated MLP's first layer in
two parts. They still read the older names, which older versions alone know: so files are put under those.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

_OLDER = {
    ".attention.q_proj.": ".attention.attention.query.",
    ".attention.k_proj.": ".attention.attention.key.",
    ".attention.v_proj.": ".attention.attention.value.",
    ".attention.o_proj.": ".attention.output.dense.",
    ".mlp.down_proj.": ".mlp.weights_out.",
}
_GATE, _UP, _BOTH = ".mlp.gate_proj.", ".mlp.up_proj.", ".mlp.weights_in."


def has_newer_names(names: Collection[str]) -> bool:
    return any(".attention.q_proj." in name for name in names)


def with_older_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors; those under older names stay as they are."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        up = name.replace(_GATE, _UP)
        if _GATE in name and up in tensors:
            found[name.replace(_GATE, _BOTH)] = torch.cat([tensor, tensors[up]])
        elif not (_UP in name and name.replace(_UP, _GATE) in tensors):
            found[_older(name)] = tensor
    return found


def _older(name: str) -> str:
    for new, old in _OLDER.items():
        name = name.replace(new, old)
    return name
