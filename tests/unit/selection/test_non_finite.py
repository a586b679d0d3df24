"""NaN and infinity in pictures are found and named."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ganrm_core.selection.non_finite import has_non_finite, invalid_text


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_one_value_is_enough_in_any_precision(dtype: torch.dtype) -> None:
    for bad in (math.nan, math.inf, -math.inf):
        picture = torch.rand(5, 7, 3).to(dtype)
        assert not has_non_finite(picture)
        picture[4, 6, 2] = bad
        assert has_non_finite(picture)


def test_arrays_integers_empty_tensors_and_sums_that_overflow() -> None:
    assert has_non_finite(np.array([0.0, math.nan]))
    finite = (
        np.zeros(3),
        np.zeros(3, np.uint8),
        torch.zeros(3, dtype=torch.uint8),
        torch.zeros(0),
        torch.full((64, 64, 3), 60000.0, dtype=torch.float16),
        "a.png",
    )
    assert not any(map(has_non_finite, finite))


def test_text() -> None:
    for positions, names in (([1], "2 is"), ([1, 4], "2 and 5 are"), (range(9), "1, 2, 3 and 6 more are")):
        assert invalid_text(positions) == f"{names} spoilt (NaN or infinite values)"
    assert invalid_text([]) == ""
