"""Probe nodes at the end of a graph: one records its inputs, one passes any value on under any type."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

Json = dict[str, Any]


class AnyType(str):
    """Fits every type: the server compares types by `!=`."""

    __hash__ = str.__hash__

    def __ne__(self, other: object) -> bool:
        return False


ANY = AnyType("*")

# Label → what each run of that node got, oldest first.
records: dict[str, list[Json]] = {}


class ProbeEcho:
    """Runs every time it is reached and records its inputs as the lists they came in; see /probe/echo."""

    CATEGORY = "probe"
    FUNCTION = "take"
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    INPUT_IS_LIST = True

    @classmethod
    def INPUT_TYPES(cls) -> Json:  # noqa: N802
        values = {f"value{i or ''}": (ANY, {"forceInput": True}) for i in range(8)}
        return {"required": {"label": ("STRING", {"default": "echo"})}, "optional": values}

    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:  # noqa: N802
        return float("nan")

    def take(self, label: list[str], **values: list[Any]) -> Json:
        records.setdefault(label[0], []).append(
            {name: [describe(item) for item in items] for name, items in values.items()}
        )
        return {"ui": {"label": label}}


class ProbePass:
    """Passes a value on as an output that fits every input."""

    CATEGORY = "probe"
    FUNCTION = "hand_on"
    RETURN_TYPES = (ANY,)

    @classmethod
    def INPUT_TYPES(cls) -> Json:  # noqa: N802
        return {"required": {"value": (ANY, {"forceInput": True})}}

    def hand_on(self, value: Any) -> tuple[Any]:
        return (value,)


class ProbeFailing:
    """A model that raises "the model broke" after so many calls; a new one for every run."""

    CATEGORY = "probe"
    FUNCTION = "wrap"
    RETURN_TYPES = ("MODEL",)

    @classmethod
    def INPUT_TYPES(cls) -> Json:  # noqa: N802
        return {"required": {"model": ("MODEL",), "calls": ("INT", {})}}

    def wrap(self, model: Any, calls: int) -> tuple[Any]:
        left = [calls]

        def call(apply_model: Any, given: Json) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise RuntimeError("the model broke")
            return apply_model(given["input"], given["timestep"], **given["c"])

        failing = model.clone()
        failing.set_model_unet_function_wrapper(call)
        return (failing,)


def describe(value: Any) -> Any:
    """A value as JSON: tensors as shape, range and a mean and digest per item; plain values as they are."""
    if isinstance(value, torch.Tensor):
        whole = value.detach().cpu().contiguous()
        items = [each.contiguous() for each in whole]
        return {
            "shape": list(whole.shape),
            "min": float(whole.min()) if whole.numel() else None,
            "max": float(whole.max()) if whole.numel() else None,
            "means": [float(each.float().mean()) for each in items],
            "sha256": [
                hashlib.sha256(each.flatten().view(torch.uint8).numpy()).hexdigest() for each in items
            ],
        }
    if isinstance(value, dict):
        return {str(key): describe(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [describe(each) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return {"type": f"{type(value).__module__}.{type(value).__qualname__}"}
