"""Lists of values that belong to images, one for each: scores, indices, seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from ...ganrm_core.utils.errors import DataError

_Number = TypeVar("_Number", int, float)
_Value = TypeVar("_Value")


def numbers(values: list[Any] | None, kind: type[_Number], name: str) -> list[_Number]:
    """A flat list of numbers: other packs also send tensors and nested lists. Raises DataError for anything else."""
    flat: list[Any] = []
    for value in values or []:
        plain = value.tolist() if isinstance(value, (Tensor, np.ndarray)) else value
        flat += plain if isinstance(plain, (list, tuple)) else [plain]
    try:
        return [kind(value) for value in flat]
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"The {name} hold what is no number ({error}). Connect the {name} of these images."
        ) from error


def finite(values: Sequence[float | None]) -> list[float | None]:
    """For API clients: NaN and infinity, which JSON lacks, become None."""
    return [None if value is None or not math.isfinite(value) else value for value in values]


def one_per_image(
    values: list[_Value], name: str, count: int, *, one_for_all: bool = False
) -> list[_Value | None]:
    """`values`, or None for each of `count` images where there are none. Raises DataError for another number of them."""
    if not values:
        return [None] * count
    if len(values) == count:
        return list(values)
    if one_for_all and len(values) == 1:
        return [values[0]] * count
    raise DataError(
        f"There are {count} images but {len(values)} {name}. Connect the {name} that belong to these images, one "
        f"for each, or leave {name} unconnected."
    )
