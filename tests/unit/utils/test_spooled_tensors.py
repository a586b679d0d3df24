"""Tensors kept in memory or in a temporary file."""

from __future__ import annotations

import tempfile
from io import BytesIO

import pytest
import torch
from unit_support.failing_disk import refuse

from ganrm_core.utils import spooled_tensors
from ganrm_core.utils.errors import OutputError
from ganrm_core.utils.spooled_tensors import SpooledTensors


def test_any_order_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooled_tensors, "_MOST_IN_MEMORY", 100)  # the first ones only
    kept = SpooledTensors()
    tensors = torch.randn(9, 4, 6)
    for tensor in tensors:
        kept.append(tensor)
    taken = kept.take([7, 0, 7, 3])
    assert len(kept) == 9
    assert taken.dtype == torch.float32
    assert torch.equal(taken, tensors[[7, 0, 7, 3]].half().float())


def test_numbers_too_large_for_half_precision_stay_as_they_are() -> None:
    kept = SpooledTensors()
    tensors = torch.tensor([[1.0, 2.0], [1e6, 1.2345678], [1.0, 2.0]])
    for tensor in tensors:
        kept.append(tensor)
    assert torch.equal(kept.take([0, 1, 2]), tensors)


def test_a_full_disk_says_where_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(BytesIO):
        write = staticmethod(refuse(28))

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda **_: Full())
    with pytest.raises(OutputError, match=r"No space left.*TMPDIR"):
        SpooledTensors().append(torch.zeros(3))
