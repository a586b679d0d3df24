"""State of a training in rounds as named tensors, so that it goes on after a stop as if there had been none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from .learner import RoundLosses
from .round_signs import Comparison, Look
from .rounds import RoundsTrace, RoundTraining
from .watch import HeldOut

_RECORD = "record"


def packed(training: RoundTraining) -> dict[str, Tensor]:
    """All that decides how the training goes on."""
    parts = training.parts
    record = {"trace": trace_to_json(training.trace), "gain": training.first_gain}
    found = {_RECORD: _text(json.dumps(record))}
    found |= _under("learner", parts.learner.state())
    found |= _under("reward", parts.refreshed.state() if parts.refreshed else {})
    found |= _under("held out", parts.held_out.state() if parts.held_out else {})
    found |= {f"best/{number}": value for number, value in enumerate(training.best)}
    return found | _under("before", training.comparison.state() if training.comparison else {})


def unpack(training: RoundTraining, tensors: Mapping[str, Tensor]) -> None:
    """Let the training go on from what `packed` gave; it must be of the same parts and plan.

    Raises LookupError, TypeError or ValueError for anything else.
    """
    record = _record(tensors)
    parts = training.parts
    parts.learner.load_state(_below("learner", tensors))
    if parts.refreshed:
        parts.refreshed.load_state(reward_state(tensors))
    if parts.held_out:
        parts.held_out.load_state(_below("held out", tensors))
    training.best = [tensors[f"best/{number}"].to(value.device) for number, value in enumerate(training.best)]
    before = _below("before", tensors)
    training.comparison = Comparison.of_state(before) if before else None
    training.first_gain = float(record["gain"])
    training.trace = trace_from_json(record["trace"])


def reward_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of the refreshed reward, for its `load_state`."""
    return _below("reward", tensors)


def trace_of(tensors: Mapping[str, Tensor]) -> RoundsTrace:
    """What happened so far, of a state that `packed` gave. Raises as `unpack`."""
    return trace_from_json(_record(tensors)["trace"])


def _record(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(tensors[_RECORD].tolist()))
    return found


def trace_to_json(trace: RoundsTrace) -> dict[str, Any]:
    return asdict(trace)


def trace_from_json(data: Mapping[str, Any]) -> RoundsTrace:
    """Raises LookupError, TypeError or ValueError for anything `trace_to_json` does not give."""
    return RoundsTrace(
        [RoundLosses(**each) for each in data["losses"]],
        [look_from_json(each) for each in data["looks"]],
        data["stopped"],
        data["best"],
        dict(data["seconds"]),
    )


def look_from_json(data: Mapping[str, Any]) -> Look:
    """Of what `dataclasses.asdict` gives. Raises as `trace_from_json`."""
    held_out = data["held_out"]
    return Look(**{**data, "held_out": HeldOut(**held_out) if held_out else None})


def _under(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}/{key}": value for key, value in tensors.items()}


def _below(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")
    }


def _text(content: str) -> Tensor:
    return torch.frombuffer(bytearray(content.encode()), dtype=torch.uint8)
