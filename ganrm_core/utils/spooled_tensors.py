"""Append-only store of tensors in half precision, spooled from memory to a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import torch
from torch import Tensor

from .errors import OutputError

_MOST_IN_MEMORY = 2**28  # bytes


class SpooledTensors:
    """Tensors of one shape, appended one by one and read in any order.

    Stored as float16, or float32 where that overflows; beyond 256 MiB in a temporary file, which is deleted with
    this object.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_MOST_IN_MEMORY)  # noqa: SIM115 - closed with this object
        self._places: list[tuple[int, torch.dtype]] = []
        self._shape = torch.Size()

    def __len__(self) -> int:
        return len(self._places)

    def append(self, tensor: Tensor) -> None:
        """Raises OutputError where the disk is full."""
        half = tensor.detach().cpu().half()
        kept = half if bool(half.isfinite().all()) else tensor.detach().cpu().float()
        self._shape = tensor.shape
        try:
            self._file.seek(0, 2)
            start = self._file.tell()
            self._file.write(kept.contiguous().numpy().tobytes())
        except OSError as error:
            raise OutputError(
                f"Intermediate results cannot be kept in {tempfile.gettempdir()} ({error.strerror or error}). Free "
                "some space there, or set the environment variable TMPDIR to a folder that has it."
            ) from error
        self._places.append((start, kept.dtype))

    def take(self, places: Sequence[int]) -> Tensor:
        """The tensors at `places`, stacked: [len(places), …] float32."""
        return torch.stack([self._read(*self._places[place]) for place in places])

    def _read(self, start: int, dtype: torch.dtype) -> Tensor:
        self._file.seek(start)
        content = bytearray(self._file.read(self._shape.numel() * dtype.itemsize))
        return torch.frombuffer(content, dtype=dtype).view(self._shape).float()
