"""Peak tensor memory of a function, by torch's profiler."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def most_alive(work: Callable[[], object]) -> int:
    """Peak bytes of CPU tensors while `work` runs."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as seen:
        work()
    changes = [
        (event.start_ns(), event.nbytes())
        for event in seen.profiler.kineto_results.events()
        if event.name() == "[memory]"
    ]
    held = torch.tensor([change for _, change in sorted(changes)]).cumsum(0)
    return int(held.max())
