"""Validation when a prompt is queued, before anything runs.

ComfyUI calls `validate_inputs` with the inputs in its signature, and no longer checks ranges and choices of those
widgets itself. A value that comes over a link is not known yet and is None; one that is not connected or not sent keeps
its default.

Nodes raise errors there. A returned text would be shown once for every input in the signature, and newer pages hide it
behind "rejected one or more input values".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ...ganrm_core.utils.errors import DataError

NOT_CONNECTED = object()
"""The default of an input that may be unconnected; a connected one is None."""

_Value = TypeVar("_Value")


def known(value: _Value | None, otherwise: _Value) -> _Value:
    """`value`, or `otherwise` where it is not known yet."""
    return otherwise if value is None else value


def single(values: Sequence[_Value | None] | None, otherwise: _Value) -> _Value:
    """`known` for the inputs of a node that takes lists."""
    return known(values[0] if values else None, otherwise)


def check_choice(value: str, choices: Sequence[str], what: str) -> None:
    """Raise DataError for a value that is no choice of a combo: older servers do not check that."""
    if value not in choices:
        raise DataError(f"There is no {what} {value!r}. Use one of: {', '.join(choices)}.")
