"""Validation at queueing: what widgets and links alone can get wrong is said before anything runs.

ComfyUI calls `validate_inputs` with the inputs that it names, and leaves ranges and choices of those widgets to it. What
comes over a link is not known yet and is None; what is not connected, or not sent, keeps its default.

Ours raise what is wrong. A text that they returned would be shown once for every input they name, and newer pages hide
it behind "rejected one or more input values"; an error is shown once, in its own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ...ganrm_core.utils.errors import DataError

NOT_CONNECTED = object()
"""The default of an input whose links are looked at: one that is connected is None."""

_Value = TypeVar("_Value")


def known(value: _Value | None, otherwise: _Value) -> _Value:
    """`value`, or where it comes over a link `otherwise`."""
    return otherwise if value is None else value


def single(values: Sequence[_Value | None] | None, otherwise: _Value) -> _Value:
    """`known` for a node that takes lists."""
    return known(values[0] if values else None, otherwise)


def check_choice(value: str, choices: Sequence[str], what: str) -> None:
    """Raise DataError for what is no choice of a combo: older servers do not check that."""
    if value not in choices:
        raise DataError(f"There is no {what} {value!r}. Use one of: {', '.join(choices)}.")
