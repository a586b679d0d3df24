"""PyTorch's own functions instead of newer ComfyUI's kernels, most of which have no backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import comfy.model_management


@contextmanager
def without_kernels() -> Iterator[None]:
    """Lets models know that they are trained, as core's trainer does. Older ComfyUI has neither kernels nor this flag."""
    management = comfy.model_management
    if not hasattr(management, "in_training"):
        yield
        return
    before, management.in_training = management.in_training, True
    try:
        yield
    finally:
        management.in_training = before
