"""Parses a checkpoint's card and tensors into the parts of a reward model, refusing values that give no score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...backbones.base import Backbone, BackboneSpec
from ...data.border_trim import BorderTrim
from ...metrics.calibration import Calibration
from ...utils.error_text import damage
from ...utils.errors import CheckpointError
from ...utils.files import shown
from .card_fields import finite_number
from .checkpoint import Checkpoint
from .heads import RewardProjectionLayer
from .lora_adapter import Adapter, merge_adapter
from .readout import Readout, SecondLook, supports_second_look

HEAD_PREFIX = "rpl."
ADAPTER_PREFIX = "adapter."
"""Prefixes of tensor names in a checkpoint."""

_LARGEST_FEATURE, _OVERFLOWS = 1e3, 1e30


@dataclass(frozen=True)
class CalibratedHead:
    """Feature layout, head and calibration: together they turn backbone taps into a logit and a score."""

    readout: Readout
    layer: RewardProjectionLayer
    calibration: Calibration


def read_parts(checkpoint: Checkpoint, path: Path) -> tuple[BackboneSpec, CalibratedHead, BorderTrim]:
    """Everything but backbone and adapter. Raises CheckpointError for a missing, damaged or unusable part."""
    card = checkpoint.card
    try:
        spec = BackboneSpec.from_json(card["backbone"])
        readout = _readout(card, spec)
        calibration = Calibration(**card["calibration"])
        border_trim = BorderTrim.from_json(card["preprocessing"])
        layer = RewardProjectionLayer.from_tensors(card["head"], _below(HEAD_PREFIX, checkpoint.tensors))
        head = CalibratedHead(readout, layer, calibration)
        _check_finite_scores(head, spec, card)
    except (
        LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, CheckpointError
    ) as error:  # fmt: skip
        raise CheckpointError(
            f"{shown(path)} is a GAN-RM checkpoint with a part missing or damaged ({damage(error)}). "
            "Copy it again, or train it anew."
        ) from error
    return spec, head, border_trim


def merged_adapter(checkpoint: Checkpoint, backbone: Backbone, path: Path) -> Adapter | None:
    """The checkpoint's LoRA adapter, merged into `backbone` in place; None where it has none."""
    settings = checkpoint.card.get("adapter")
    if not settings:
        return None
    try:
        adapter = Adapter.from_checkpoint(settings, _below(ADAPTER_PREFIX, checkpoint.tensors))
        merge_adapter(backbone, adapter)
    except CheckpointError as error:
        raise CheckpointError(f"{shown(path)} cannot be used. {error}") from error
    return adapter


def _readout(card: Mapping[str, Any], spec: BackboneSpec) -> Readout:
    taps, histograms = tuple(card["taps"]), tuple(card.get("histograms", ()))
    if (second_look := card.get("second_look")) is not None:
        look = SecondLook.from_json(second_look)
        if look.kind == "smaller" and not supports_second_look(spec):
            raise ValueError(f"smaller pictures, which {spec.name} does not take")
        return Readout(taps, look, histograms)
    # Format 1 had one kind of second look, over all taps.
    return Readout(taps, SecondLook("blurred", taps) if card.get("response") else None, histograms)


def _check_finite_scores(head: CalibratedHead, spec: BackboneSpec, card: Mapping[str, Any]) -> None:
    """Raise ValueError for values that would fail, or give NaN, on the first picture."""
    temperature, bias = head.calibration.temperature, head.calibration.bias
    if not (temperature > 0 and temperature + 1 / temperature + abs(bias) < _OVERFLOWS):
        raise ValueError(f"temperature {temperature!r:.20}, bias {bias!r:.20}")
    # A threshold that could not be measured is null.
    thresholds = (card.get("thresholds") or {}).values()
    if any(finite_number(value) is None for value in thresholds if value is not None):
        raise ValueError("thresholds that are no numbers")
    # Features of both signs, far larger than those of a network.
    width = head.readout.width(spec)
    ramp = torch.linspace(-_LARGEST_FEATURE, _LARGEST_FEATURE, width)
    logits, spread = head.layer(torch.stack([torch.zeros(width), ramp, -ramp]))
    if not bool(torch.isfinite(torch.stack([logits, spread])).all()):
        raise ValueError("a head that gives no number")


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
