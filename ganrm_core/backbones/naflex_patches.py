"""SigLIP 2 NaFlex models as SigLIP models of one square size.

NaFlex takes pictures of any shape, cut into patches that a linear layer embeds, and resizes its grid of positions to each
picture (Tschannen et al. 2025, SigLIP 2). On squares of the grid's own size the positions stay as they are, and the linear
layer is a convolution: so the same tensors make a SigLIP model that gives the very same features.
"""

from __future__ import annotations

import math

from torch import Tensor

from ..utils.errors import BackboneError

_PATCHES = "vision_model.embeddings.patch_embedding.weight"
_CHANNELS = 3


def is_naflex(tensors: dict[str, Tensor]) -> bool:
    """Whether a SigLIP model's patches are embedded by a linear layer."""
    has_class_token = "vision_model.embeddings.class_embedding" in tensors
    return _PATCHES in tensors and tensors[_PATCHES].ndim == 2 and not has_class_token


def fixed_size(tensors: dict[str, Tensor], label: str) -> dict[str, Tensor]:
    """The tensors with the patch embedding [D, P·P·3] as a convolution [D, 3, P, P]. `label` names the file in errors."""
    linear = tensors[_PATCHES]
    side = math.isqrt(linear.shape[1] // _CHANNELS)
    if _CHANNELS * side * side != linear.shape[1]:
        raise BackboneError(
            f"{label} has patches of {linear.shape[1]} numbers, which make no square of {_CHANNELS} colours. "
            "The file is damaged, or of a variant that is not known here: choose another."
        )
    kernel = linear.reshape(-1, side, side, _CHANNELS).permute(0, 3, 1, 2).contiguous()
    return {**tensors, _PATCHES: kernel}
