"""Minimal backbone for tests: its features are the pixels and their mean colour."""

from __future__ import annotations

import torch
from torch import Tensor

from ganrm_core.backbones.base import Backbone, BackboneSpec, ExecutionPlan, Tap


class Colours(Backbone):
    """Two taps: the pixels, and the mean colour, which is the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.anything = torch.nn.Parameter(torch.zeros(1), requires_grad=False)
        self.spec = BackboneSpec(
            family="test",
            name="colours",
            weights_sha256="0" * 64,
            input_size=16,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            taps=(Tap("pixels", 3), Tap("colour", 3, pooled=True)),
            embedding="colour",
        )

    def features(self, pixels: Tensor, last: str | None = None) -> list[Tensor]:
        return [pixels.flatten(2).transpose(1, 2), pixels.mean(dim=(2, 3)).unsqueeze(1)]

    def plan(self, device_type: str) -> ExecutionPlan:
        return ExecutionPlan(batch_size=2, channels_last=False)
