"""Reading all tensors of a weights file, .safetensors or a pickle of torch, without unpickling code."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from .safetensors_io import open_safetensors


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor by name, on the CPU. Raises whatever safetensors or torch raise for a file that cannot be read."""
    if path.suffix == ".safetensors":
        with open_safetensors(path) as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return read_pickled_tensors(path)


def read_pickled_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a pickled state dict, bare or under `state_dict`. Code in the file is refused, never run."""
    try:
        data: Any = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # its text is advice to programmers on how to run the code
        raise ValueError("it holds other things than tensors") from error
    if not isinstance(data, dict):
        raise ValueError("it holds no state dict")
    data = data.get("state_dict", data)
    return {name: value for name, value in data.items() if isinstance(value, Tensor)}
