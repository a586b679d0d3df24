"""Batched feature extraction: runs a backbone over pictures and returns the vectors that a readout describes."""

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
from .pixel_histograms import STATISTIC, pixel_histograms
from .readout import Readout, SecondLook
from .tap_statistics import TapStatistics, tap_features, tap_statistics

_log = logger_of(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


class FeatureExtractor:
    """Runs `backbone` in batches and puts the statistics of its taps into the columns of `readout`.

    Batch size and memory layout come from the backbone's execution plan, so equal pictures give equal vectors for
    every caller, up to the last bits where a GPU is short of memory and batches shrink.
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
        """The plan for the backbone's present device: a host may move it between two calls."""
        return self.backbone.plan(self.device.type)

    @property
    def batch_size(self) -> int:
        """Pictures per forward pass: the plan's number, less where the device is short of memory.

        Free memory is queried beforehand: drivers on Windows fall back to slow main memory instead of failing.
        """
        device = self.device
        most = self._affordable.get(device, self.plan.batch_size)
        free = free_memory(device)
        return most if free is None else max(1, min(most, free // self.backbone.bytes_per_picture))

    @property
    def group_size(self) -> int:
        """Pictures per call that keep every forward pass at its full batch size."""
        return self.batch_size * max((look.batch_factor for look in self.readout.second_looks), default=1)

    @property
    def threads(self) -> int:
        """Threads to call it from; 0 where calls run one after the other."""
        return threads_to_share() if self.plan.side_by_side else 0

    def in_groups(self, items: Sequence[Item], read: Callable[[Sequence[Item]], Result]) -> Iterator[Result]:
        """Results of `read`, which calls this extractor, for groups of items, in order."""
        threads, size = self.threads, self.group_size
        if threads:
            # Enough groups to keep every thread busy, each still of an efficient size.
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
        passes = {look: self._batched_pass(pixels, look) for look in (None, *self.readout.second_looks)}
        with torch.inference_mode():
            return self.readout.columns(passes, self.backbone.spec)

    def with_gradients(self, pixels: Tensor) -> Tensor:
        """The same vectors in one batch, differentiable with respect to pixels and backbone."""
        passes = {look: self._single_pass(pixels, look) for look in (None, *self.readout.second_looks)}
        return self.readout.columns(passes, self.backbone.spec)

    def _batched_pass(self, pixels: Tensor, look: SecondLook | None) -> TapStatistics:
        factor = look.batch_factor if look else 1
        done = self.in_batches(pixels, lambda batch: self._single_pass(batch, look), factor)
        with torch.inference_mode():
            return {key: torch.cat([part[key] for part in done]) for key in done[0]}

    def _single_pass(self, pixels: Tensor, look: SecondLook | None) -> TapStatistics:
        taps, names = (look.taps, ()) if look else (self.readout.taps, self.readout.histograms)
        features = tap_features(self.backbone, look.changed(pixels) if look else pixels, taps)
        found = tap_statistics(features, taps, self.backbone.spec)
        counted = pixel_histograms(pixels, names) if names else {}
        return found | {(name, STATISTIC): values for name, values in counted.items()}

    def in_batches(self, pixels: Tensor, run: Callable[[Tensor], Result], factor: int = 1) -> list[Result]:
        """Results of `run` for batches of `pixels` on the backbone's device, without gradients.

        Batches hold `factor` times the batch size. A batch that runs out of memory is halved, down to one picture.
        """
        with torch.inference_mode():
            done: list[Result] = []
            position = 0
            while position < len(pixels):
                batch = pixels[position : position + self.batch_size * factor]
                try:
                    done.append(run(batch.to(self.device)))
                except Exception as error:
                    if len(batch) == 1 or not is_out_of_memory(error):
                        raise
                    self._affordable[self.device] = max(1, len(batch) // factor // 2)
                    factor = min(factor, len(batch) // 2)
                else:
                    position += len(batch)
                    continue
                # Only here, with the exception gone, are the tensors of the failed attempt freed.
                free_cached_memory(self.device)
            return done
