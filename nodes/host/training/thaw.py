"""Makes a model's weights fit for a backward pass: ordinary tensors that want no gradient.

ComfyUI runs nodes in `torch.inference_mode()`. Tensors made there cannot be saved for a backward pass ("Inference
tensors cannot be saved for backward"), not even frozen weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_DEPTH = 6  # of lists and dicts in each other


def thaw_model(model: nn.Module, device: torch.device) -> int:
    """Replace the inference tensors of `model` by copies, one at a time; how many there were.

    Only on `device`: weights that wait elsewhere are copied there before they are used, which makes ordinary tensors
    of them. Subclasses of Tensor (quantised weights) are left alone for the same reason: they are converted first.
    """
    copies: dict[int, Tensor] = {}
    count = 0
    with torch.inference_mode(False):
        for module in model.modules():
            places: tuple[dict[str, Any], ...] = (module._parameters, module._buffers, vars(module))
            for held in places:
                for name, tensor in list(held.items()):
                    if _is_frozen(tensor) and tensor.device == device:
                        held[name] = _copied(tensor, copies)
                        count += 1
    return count


class NoWeightGradients:
    """Switches gradients of a model's own weights off, and on again where they were on."""

    def __init__(self) -> None:
        self._were_on: list[nn.Parameter] = []

    def switch_off(self, model: nn.Module) -> None:
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.requires_grad_(False)
                self._were_on.append(parameter)

    def restore(self) -> None:
        were_on, self._were_on = self._were_on, []
        for parameter in were_on:
            with torch.inference_mode(parameter.is_inference()):
                parameter.requires_grad_()


def thawed(value: Any, depth: int = _DEPTH) -> Any:
    """`value` with copies of the inference tensors in it: in lists, tuples, dicts and ComfyUI's conditioning objects."""
    if isinstance(value, Tensor):
        with torch.inference_mode(False):
            return value.clone() if value.is_inference() else value
    if depth == 0:
        return value
    if isinstance(value, dict):
        return {key: thawed(each, depth - 1) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(thawed(each, depth - 1) for each in value)
    if hasattr(value, "cond") and hasattr(value, "process_cond"):
        value.cond = thawed(value.cond, depth - 1)
    return value


def _is_frozen(tensor: Any) -> bool:
    return type(tensor) in (Tensor, nn.Parameter) and tensor.is_inference()


def _copied(tensor: Tensor, copies: dict[int, Tensor]) -> Tensor:
    # Tied weights stay tied.
    known = copies.get(id(tensor))
    if known is None:
        known = tensor.detach().clone()
        if isinstance(tensor, nn.Parameter):
            known = nn.Parameter(known, requires_grad=tensor.requires_grad)
        vars(known).update(vars(tensor))
        copies[id(tensor)] = known
    return known
