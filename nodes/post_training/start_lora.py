"""The LoRA that a training goes on from: a file of models/loras, or one of another node."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ...ganrm_core.utils.errors import DataError
from ..host import model_files
from .lora_inputs import NO_FILE


def start_lora(file: str, linked: Mapping[str, Tensor] | None) -> Mapping[str, Tensor] | None:
    """None for a new LoRA. Raises DataError where both are given."""
    if file == NO_FILE:
        return linked
    if linked is not None:
        raise DataError(
            "Two LoRAs to go on from: a file and a connected one. Set 'go on from file' to none, or take the link off."
        )
    from ..host.training.lora_file import read_lora

    return read_lora(model_files.lora_path(file))
