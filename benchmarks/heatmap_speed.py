"""Reward heatmap time and memory by image size: python benchmarks/heatmap_speed.py [--sides 1024 2048 4096 8192]

Seconds for one square image per side length, with the built-in backbone, by stage:

  map      scoring 34 windows, and the linear head's per-position contributions
  mask     the weakest fifth, grown by 8 pixels and blurred over 16
  overlay  drawing the map over the image, with the mask's outline
  waits    longest interval between progress callbacks: the latency of Cancel
  cpu      total CPU seconds over all threads, the robust figure on a shared machine
  ns/px    CPU nanoseconds per pixel: constant where time is linear in pixels
  peak     peak process memory in bytes per pixel, beyond that of the smallest side
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable

import torch
from scoring_speed import untrained
from torch import Tensor
from torch.nn.functional import interpolate

from ganrm_core.attribution.overlay import overlay
from ganrm_core.attribution.window_map import reward_map, weakest_mask
from ganrm_core.backbones.registry import load_backbone
from ganrm_core.rewards.discriminator.readout import default_readout
from ganrm_core.utils.progress import Progress, ProgressCallback


def main() -> None:
    parser = argparse.ArgumentParser(description="How long does a reward heatmap take?")
    parser.add_argument("--sides", type=int, nargs="+", default=[1024, 2048, 4096, 8192], metavar="PX")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    parser.add_argument("--grow", type=int, default=8, metavar="PX", help="(default 8)")
    parser.add_argument("--blur", type=int, default=16, metavar="PX", help="(default 16)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    backbone = load_backbone("efficientnet_lite0")
    model = untrained(backbone, default_readout(backbone.spec))
    reward_map(model, picture(256))
    print(f"torch {torch.__version__}, {torch.get_num_threads()} CPU threads")
    print(
        f"{'side':>6}"
        + "".join(f"{title:>9}" for title in ("map", "mask", "overlay", "waits", "cpu", "ns/px", "peak"))
    )
    base = 0
    for side in options.sides:
        image, waits = picture(side), Waits()
        before = time.process_time()
        places, mapping = timed(waits, lambda show, image=image: reward_map(model, image, show))
        mask, masking = timed(
            waits, lambda show, places=places: weakest_mask(places, 0.2, options.grow, options.blur, show)
        )
        _, drawing = timed(
            waits, lambda show, image=image, places=places, mask=mask: overlay(image, places, mask, show)
        )
        cpu = time.process_time() - before
        base = base or peak()
        per_pixel = (peak() - base) / side**2
        print(
            f"{side:>6}{mapping:>9.2f}{masking:>9.2f}{drawing:>9.2f}{waits.longest:>9.2f}"
            f"{cpu:>9.2f}{cpu / side**2 * 1e9:>9.0f}{per_pixel:>9.0f}"
        )


class Waits:
    """Progress callback that records the longest interval between calls."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = time.perf_counter()

    def __call__(self, _: Progress | None = None) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now

    def restart(self) -> None:
        self._last = time.perf_counter()


def timed(waits: Waits, work: Callable[[ProgressCallback], Tensor]) -> tuple[Tensor, float]:
    waits.restart()
    started = time.perf_counter()
    result = work(waits)
    waits()
    return result, time.perf_counter() - started


def picture(side: int) -> Tensor:
    coarse = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return interpolate(coarse, (side, side), mode="bilinear")[0]


def peak() -> int:
    """Peak resident memory of this process so far, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    main()
