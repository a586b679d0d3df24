"""From pictures to the vectors a head reads, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from ...backbones.base import Backbone, ExecutionPlan
from ...utils.device_memory import free_cached_memory, free_memory, is_out_of_memory
from ...utils.logs import logger_of
from ...utils.parallel import in_order, threads_to_share
from .readout import Readout, SecondLook, Summary

_log = logger_of(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


class FeatureExtractor:
    """Runs a backbone over pictures of its input size and summarises its taps.

    Batch size and memory layout come from the backbone's own table, so the same pictures give the
    same vectors whoever asks; up to the last bits where a graphics card is short of memory and batches are smaller.
    """

    def __init__(self, backbone: Backbone, readout: Readout) -> None:
        self.backbone = backbone
        self.readout = readout
        self._affordable: dict[torch.device, int] = {}
        if self.plan.channels_last:
            # Outside inference mode: a module moved inside it could not be trained through later.
            with torch.inference_mode(False):
                backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def device(self) -> torch.device:
        return next(self.backbone.parameters()).device

    @property
    def plan(self) -> ExecutionPlan:
        """Asked anew each time: a host may move the backbone between two calls."""
        return self.backbone.plan(self.device.type)

    @property
    def batch_size(self) -> int:
        """How many pictures run at once: the plan's number, less where the device's memory is short.

        Asked beforehand, not only when it has run out: drivers on Windows lend main memory then, and crawl.
        """
        device = self.device
        most = self._affordable.get(device, self.plan.batch_size)
        free = free_memory(device)
        return most if free is None else max(1, min(most, free // self.backbone.bytes_per_picture))

    @property
    def group_size(self) -> int:
        """How many pictures are best given at a time."""
        return self.batch_size * max((look.at_once for look in self.readout.second_looks), default=1)

    @property
    def threads(self) -> int:
        """In how many threads it is best called; 0 where calls shall come one after the other."""
        return threads_to_share() if self.plan.side_by_side else 0

    def in_groups(self, items: Sequence[Item], read: Callable[[Sequence[Item]], Result]) -> Iterator[Result]:
        """What `read`, which calls this reader, makes of the items, some at a time and in order."""
        threads, size = self.threads, self.group_size
        if threads:
            # So many groups that no thread is idle, yet none smaller than runs well.
            size = max(self.batch_size, min(size, math.ceil(len(items) / threads)))
        groups = [items[place : place + size] for place in range(0, len(items), size)]
        threads = threads if len(groups) > 1 else 0
        _log.info(
            "%d pictures on %s, %d at a time in %d threads", len(items), self.device, size, max(1, threads)
        )
        return in_order(groups, read, threads=threads, ahead=2 * threads, share=True)

    def __call__(self, pixels: Tensor) -> Tensor:
        """[B, 3, S, S] in 0–1, any B → [B, width] on the backbone's device, without gradients."""
        if not len(pixels):
            return torch.empty(0, self.readout.width(self.backbone.spec))
        looks: dict[SecondLook | None, Summary] = {None: self._seen(pixels, None)}
        for look in self.readout.second_looks:
            looks[look] = self._seen(pixels, look)
        with torch.inference_mode():
            return self.readout.columns(looks, self.backbone.spec)

    def _seen(self, pixels: Tensor, look: SecondLook | None) -> Summary:
        done = self.in_batches(
            pixels,
            lambda batch: self.readout.seen(self.backbone, batch, look),
            look.at_once if look else 1,
        )
        with torch.inference_mode():
            return {place: torch.cat([part[place] for part in done]) for place in done[0]}

    def in_batches(self, pixels: Tensor, run: Callable[[Tensor], Result], at_once: int = 1) -> list[Result]:
        """What `run` makes of each batch of pixels, moved to the backbone's device, without gradients.

        `at_once` times the batch size run together. Where the device runs out of memory the batch is halved, down
        to one picture.
        """
        with torch.inference_mode():
            done: list[Result] = []
            position = 0
            while position < len(pixels):
                batch = pixels[position : position + self.batch_size * at_once]
                try:
                    done.append(run(batch.to(self.device)))
                except Exception as error:
                    if len(batch) == 1 or not is_out_of_memory(error):
                        raise
                    self._affordable[self.device] = max(1, len(batch) // at_once // 2)
                    at_once = min(at_once, len(batch) // 2)
                else:
                    position += len(batch)
                    continue
                # Only here, with the exception gone, are the tensors of the failed attempt freed.
                free_cached_memory(self.device)
            return done
