"""Feature matrix with labels: one row per view of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..metrics.binary import class_weights


@dataclass(frozen=True)
class Rows:
    """Cached features of a set of pictures.

    `features` [N, V, D] float32, view 0 being the picture as scoring sees it; `labels` [N], 1 liked
    and 0 ordinary.
    """

    features: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: Tensor) -> Rows:
        """The pictures at these positions, or where this mask is set."""
        return Rows(self.features[chosen], self.labels[chosen])

    def plain(self) -> Rows:
        """The pictures as scoring sees them, without their other views."""
        return Rows(self.features[:, :1], self.labels)

    def flat(self) -> tuple[Tensor, Tensor, Tensor]:
        """Every view a row: features [N·V, D], labels [N·V], weights [N·V] that balance the classes."""
        count = self.features.shape[1]
        labels = self.labels.repeat_interleave(count)
        weights = torch.from_numpy(class_weights(self.labels.numpy())).repeat_interleave(count)
        return self.features.flatten(0, 1), labels, weights
