"""Streaming of decoded files in order, prefetched by threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from ..utils.errors import ImageError
from ..utils.parallel import in_order
from .image_io import fits_in_memory, read_image
from .skipped_files import Skipped, reason_of

DECODERS = min(4, os.cpu_count() or 1)
"""Default number of decoder threads."""
Content = TypeVar("Content")


def decoders_beside(device_type: str) -> int:
    """Number of decoder threads while a backbone runs on `device_type` ("cpu", "cuda", …).

    On a CPU only as many as torch leaves cores idle: a decoder that takes a core from torch's own threads makes all
    of them wait for it (docs/performance.md).
    """
    idle = (os.cpu_count() or 1) - torch.get_num_threads()
    return min(DECODERS, max(0, idle)) if device_type == "cpu" else DECODERS


def stream_images(
    paths: Sequence[Path], *, workers: int = DECODERS, prefetch: int = 8, skipped: list[Skipped]
) -> Iterator[tuple[int, Tensor]]:
    """Yield (index into `paths`, uint8 image [3, H, W]) in order; see `stream_files`."""
    return stream_files(
        paths, lambda _, path: read_image(path), workers=workers, prefetch=prefetch, skipped=skipped
    )


def stream_files(
    paths: Sequence[Path],
    read: Callable[[int, Path], Content],
    *,
    workers: int = DECODERS,
    prefetch: int = 8,
    share: bool = False,
    skipped: list[Skipped],
) -> Iterator[tuple[int, Content]]:
    """Yield (index into `paths`, result of `read`) in order, prefetched by threads.

    With 0 `workers` nothing is prefetched. At most `prefetch` results wait, however many paths there are. A file that
    cannot be read (`read` raises ImageError, or main memory runs out) is appended to `skipped` and left out. The
    threads end with the generator: when it is exhausted, closed or dropped, or when `read` raises any other
    exception, which passes through. `share`: the threads may include the cores that torch uses (see `in_order`).
    """
    if workers < 0 or prefetch < 1:
        raise ValueError("workers are 0 or more, prefetch is 1 or more")

    def attempt(item: tuple[int, Path]) -> tuple[int, Content | Skipped]:
        try:
            with fits_in_memory(item[1]):
                return item[0], read(*item)
        except ImageError as error:
            return item[0], Skipped(Path(item[1]), reason_of(error))

    for index, content in in_order(enumerate(paths), attempt, threads=workers, ahead=prefetch, share=share):
        if isinstance(content, Skipped):
            skipped.append(content)
        else:
            yield index, content
        del content  # frees the picture while the next one is decoded
