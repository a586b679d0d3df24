"""Nodes at the end of a graph: one records what it got, one fails, one takes its time."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import comfy.utils
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


class ProbeFail:
    """Raises what it is told."""

    CATEGORY = "probe"
    FUNCTION = "fail"
    RETURN_TYPES = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> Json:  # noqa: N802
        return {"required": {"message": ("STRING", {"default": "told to fail"})}}

    def fail(self, message: str) -> None:
        raise ValueError(message)


class ProbeSlow:
    """Shows progress for some seconds and hands on what it got; Cancel stops it between two steps."""

    CATEGORY = "probe"
    FUNCTION = "wait"
    RETURN_TYPES = (ANY,)
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> Json:  # noqa: N802
        return {
            "required": {
                "steps": ("INT", {"default": 20, "min": 1, "max": 100000}),
                "seconds": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 600.0}),
            },
            "optional": {"value": (ANY, {"forceInput": True})},
        }

    def wait(self, steps: int, seconds: float, value: Any = None) -> tuple[Any]:
        bar = comfy.utils.ProgressBar(steps)
        for _ in range(steps):
            time.sleep(seconds / steps)
            bar.update(1)
        return (value,)


def describe(value: Any) -> Any:
    """A value as JSON: tensors as shape, dtype, range and one digest per item; plain values as they are."""
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, dict):
        return {str(key): describe(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [describe(each) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return {"type": f"{type(value).__module__}.{type(value).__qualname__}"}


def _tensor(value: torch.Tensor) -> Json:
    whole = value.detach().cpu().contiguous()
    some = whole.float() if whole.numel() else None
    items = [each.contiguous() for each in whole] if whole.ndim else []
    return {
        "type": "Tensor",
        "shape": list(whole.shape),
        "dtype": str(whole.dtype).removeprefix("torch."),
        "device": str(value.device),
        "inference": value.is_inference(),
        "min": float(some.min()) if some is not None else None,
        "max": float(some.max()) if some is not None else None,
        "means": [float(each.float().mean()) if each.numel() else None for each in items],
        "sha256": [
            hashlib.sha256(each.view(torch.uint8).numpy().tobytes()).hexdigest()
            for each in items
            if each.ndim
        ],
    }
