"""Node pack without nodes: inside the server, safetensors files are read whole instead of tensor by tensor.

`get_tensor` of safetensors 0.8.0, and of every older version back to 0.4.5, never frees two integers per tensor that it reads.
ComfyUI reads hundreds whenever it loads a checkpoint, so that a server's memory grows whatever packs it has.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

_safe_open = safetensors.safe_open


class WholeFileReader:
    """`safetensors.safe_open` for torch on the CPU; any other use is handed to the original."""

    def __init__(self, filename: Any, framework: str, device: Any = "cpu", **options: Any) -> None:
        self._file = _safe_open(filename, framework, device, **options)
        self._whole = framework in ("pt", "torch") and str(device) == "cpu"
        self._path, self._tensors = Path(filename), dict[str, Tensor]()

    def __enter__(self) -> WholeFileReader:
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._tensors = {}
        self._file.__exit__(*error)

    def get_tensor(self, name: str) -> Any:
        if not self._whole:
            return self._file.get_tensor(name)
        if not self._tensors:
            self._tensors = safetensors.torch.load(self._path.read_bytes())
        return self._tensors[name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


safetensors.safe_open = safetensors.torch.safe_open = WholeFileReader
NODE_CLASS_MAPPINGS: dict[str, type] = {}
