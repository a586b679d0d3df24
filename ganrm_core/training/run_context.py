"""What every training run needs around it: gradients and a seeded generator of its own, and durations by phase."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def training_context(seed: int) -> Iterator[None]:
    """Outside inference mode (in which ComfyUI runs nodes), with seeded random numbers that leave the caller's alone."""
    # Seeding reaches every GPU's generator, so every one is put back afterwards.
    gpus = list(range(torch.cuda.device_count()))
    with torch.inference_mode(False), torch.random.fork_rng(devices=gpus):
        torch.manual_seed(seed)
        yield


class Durations:
    """Seconds by phase; phases may come several times. They add up to the time since the start."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, phase: str) -> None:
        """The time since the last lap was spent on `phase`."""
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._last
        self._last = now

    @property
    def total(self) -> float:
        return sum(self.seconds.values())
