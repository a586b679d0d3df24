"""Feature tensor [N, V, D] with labels: N pictures, V augmented views each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..metrics.binary import class_weights


@dataclass(frozen=True)
class Rows:
    """Features [N, V, D] float32, view 0 being the plain picture as in scoring, and labels [N], 1 liked, 0 ordinary.

    Labels between 0 and 1 are soft.
    """

    features: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: Tensor) -> Rows:
        """The pictures at these positions, or where this mask is set."""
        return Rows(self.features[chosen], self.labels[chosen])

    def plain(self) -> Rows:
        """The plain views alone."""
        return Rows(self.features[:, :1], self.labels)

    def flat(self) -> tuple[Tensor, Tensor, Tensor]:
        """One row per view: features [N·V, D], labels [N·V], class-balancing weights [N·V]."""
        count = self.features.shape[1]
        labels = self.labels.repeat_interleave(count)
        weights = torch.from_numpy(class_weights(self.labels.numpy())).repeat_interleave(count)
        return self.features.flatten(0, 1), labels, weights
