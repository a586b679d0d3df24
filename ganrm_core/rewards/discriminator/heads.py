"""Reward Projection Layer: linear and MLP heads from feature vector to logit, with an ensemble for uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ...utils.error_text import damage
from ...utils.errors import CheckpointError


class LinearHead(nn.Module):
    """logit = (x − mean) · weight + bias, [B, D] → [B].

    Features are centred first: their mean is large compared with their variance, which float32 would lose.
    """

    kind = "linear"
    mean: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, mean: Tensor, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("weight", weight.float())
        self.register_buffer("bias", bias.float().reshape(()))

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) @ self.weight + self.bias

    @classmethod
    def mean_of(cls, heads: Sequence[LinearHead]) -> LinearHead:
        """The single head whose logits are the mean of those of `heads`."""
        mean = torch.stack([head.mean for head in heads]).mean(dim=0)
        weight = torch.stack([head.weight for head in heads]).mean(dim=0)
        biases = [head.bias + (mean - head.mean) @ head.weight for head in heads]
        return cls(mean, weight, torch.stack(biases).mean())


class ProjectedMLPHead(nn.Module):
    """MLP on whitened principal components, [B, D] → [B]."""

    kind = "mlp"
    mean: Tensor
    projection: Tensor

    def __init__(self, mean: Tensor, projection: Tensor, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("projection", projection.float())
        self.layers = nn.Sequential(
            nn.Linear(projection.shape[1], hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layers((features - self.mean) @ self.projection)
        return logits.squeeze(-1)


class PaperHead(nn.Module):
    """MLP of the paper preset: LayerNorm → Linear → GELU → Dropout → Linear, [B, D] → [B]."""

    kind = "paper"

    def __init__(self, width: int, hidden: int = 512, dropout: float = 0.2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layers(features)
        return logits.squeeze(-1)


Head = LinearHead | ProjectedMLPHead | PaperHead


class RewardProjectionLayer(nn.Module):
    """The scoring head, and the heads of the cross-validation folds, whose spread is the uncertainty."""

    def __init__(self, head: Head, siblings: Sequence[Head] = ()) -> None:
        super().__init__()
        self.head = head
        self.siblings = nn.ModuleList(siblings)
        self.eval().requires_grad_(False)

    @property
    def kind(self) -> str:
        return str(self.head.kind)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """[B, D] → logits [B] and their standard deviation over the siblings [B] (0 for fewer than two)."""
        logits = self.head(features)
        if len(self.siblings) < 2:
            return logits, torch.zeros_like(logits)
        return logits, torch.stack([sibling(features) for sibling in self.siblings]).std(dim=0)

    @classmethod
    def from_tensors(cls, kind: str, tensors: Mapping[str, Tensor]) -> RewardProjectionLayer:
        """Rebuild from `state_dict()` tensors and the `kind` of the heads. Raises CheckpointError."""
        groups: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            owner, _, rest = name.removeprefix("siblings.").partition(".")
            groups.setdefault(owner, {})[rest] = tensor
        try:
            head = _rebuild(kind, groups.pop("head"))
            siblings = [_rebuild(kind, groups[owner]) for owner in sorted(groups, key=int)]
        except (KeyError, IndexError, RuntimeError, ValueError) as error:
            raise CheckpointError(f"its reward head cannot be rebuilt: {damage(error)}") from error
        return cls(head, siblings)


def _rebuild(kind: str, tensors: Mapping[str, Tensor]) -> Head:
    for name, tensor in tensors.items():
        if not tensor.numel() or not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} is empty or holds what is no number")
    if kind == LinearHead.kind:
        if tensors["weight"].shape != tensors["mean"].shape:
            raise ValueError("weight and mean differ in length")
        return LinearHead(tensors["mean"], tensors["weight"], tensors["bias"])
    # Initialising new layers must not advance the caller's random state.
    with torch.random.fork_rng(devices=[]):
        head = _empty(kind, tensors)
    try:
        head.load_state_dict(dict(tensors))
    except RuntimeError as error:  # torch lists them over many lines
        raise ValueError("its tensors do not fit each other") from error
    return head


def _empty(kind: str, tensors: Mapping[str, Tensor]) -> Head:
    if kind == ProjectedMLPHead.kind:
        mean, projection = tensors["mean"], tensors["projection"]
        if projection.ndim != 2 or len(projection) != len(mean):
            raise ValueError("projection and mean do not fit each other")
        return ProjectedMLPHead(mean, projection, hidden=len(tensors["layers.0.bias"]))
    if kind == PaperHead.kind:
        return PaperHead(width=len(tensors["layers.0.bias"]), hidden=len(tensors["layers.1.bias"]))
    raise ValueError(f"unknown kind {kind!r}")
