"""How many samples go through a model at once: fewer whenever memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from ..utils.device_memory import free_cached_memory, is_out_of_memory

_Result = TypeVar("_Result")


class MicroBatch:
    """`size`: the largest number that memory has allowed so far."""

    def __init__(self, size: int, device: torch.device) -> None:
        self.size, self._device = size, device

    def run(self, work: Callable[[], _Result]) -> _Result:
        """`work()`, begun again with half the size whenever memory runs out; raises where one sample is too much."""
        while True:
            try:
                return work()
            except Exception as error:
                if self.size == 1 or not is_out_of_memory(error):
                    raise
            # Outside the handler, whose error holds on to the tensors of the failed try.
            self.size //= 2
            free_cached_memory(self._device)
