"""Reads the vision tower's tensors from an OpenCLIP checkpoint, without unpickling code."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from ..utils.error_text import reason
from ..utils.errors import BackboneError
from ..utils.safetensors_io import open_safetensors
from ..utils.torch_file import read_pickled_tensors

_VISUAL = "visual."


def visual_tensors(path: Path, visual: nn.Module) -> dict[str, Tensor]:
    """The vision tower's tensors of a file that holds the whole model or that tower alone."""
    try:
        tensors = _read_safetensors(path) if path.suffix == ".safetensors" else read_pickled_tensors(path)
    except Exception as error:
        raise BackboneError(
            f"{path} cannot be read ({reason(error)}). It is damaged, incomplete or holds code, which is never run: "
            "download it again, as .safetensors if there is one."
        ) from error
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    of_tower = {
        name.removeprefix(_VISUAL): tensor for name, tensor in tensors.items() if name.startswith(_VISUAL)
    }
    if of_tower:
        return of_tower
    if set(tensors) & set(visual.state_dict()):
        return tensors
    raise BackboneError(
        f"{path} holds no OpenCLIP vision tower: its {len(tensors)} tensors begin with "
        f"{', '.join(sorted(tensors)[:3]) or 'nothing'}. For a file in transformers' naming use file:<path>."
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with open_safetensors(path) as file:
        names = list(file.keys())
        # Skips the text tower, half a gigabyte in a large model.
        visual = [name for name in names if name.removeprefix("module.").startswith(_VISUAL)]
        return {name: file.get_tensor(name) for name in visual or names}
