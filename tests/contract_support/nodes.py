"""Shared by tests of single nodes: a reward for brightness, grey pictures, errors, Cancel and recorded sheets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from contract_support.rewards import Bright


@pytest.fixture
def bright(pack: Any, folders: Any) -> Bright:
    return Bright(pack, {"balanced": 0.31})


@pytest.fixture(scope="session")
def errors(pack: Any) -> Any:
    return pack.module("ganrm_core.utils.errors")


@pytest.fixture(scope="session")
def is_blocked(pack: Any) -> Callable[[Any], bool]:
    blocker = pack.module("nodes.display.empty_outputs").ExecutionBlocker
    return lambda value: isinstance(value, blocker) and value.message is None


def grey(*levels: float, size: tuple[int, int] = (6, 8), channels: int = 3) -> Tensor:
    """A batch with one picture per level."""
    return torch.stack([torch.full((*size, channels), level) for level in levels])


def levels_of(images: list[Tensor]) -> list[list[float]]:
    """The mean of each picture of each item."""
    return [[round(float(picture.mean()), 3) for picture in item] for item in images]


def warns(preview: Tensor) -> bool:
    """Whether a sheet has letters in the colour of warnings."""
    warned = (preview[0] * 255).round().int() == torch.tensor((255, 138, 101))
    return int(warned.all(dim=-1).sum()) > 1000


def cancel_at(pack: Any, monkeypatch: pytest.MonkeyPatch, call: int) -> list[int]:
    """Make ComfyUI's check for Cancel raise InterruptedError at its `call`th call. Returns the calls before."""
    calls: list[int] = []

    def check() -> None:
        if len(calls) + 1 == call:
            raise InterruptedError
        calls.append(1)

    management = pack.module("nodes.host.progress").comfy.model_management
    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", check)
    return calls


def record_sheets(
    pack: Any, monkeypatch: pytest.MonkeyPatch, drawn_by: str = "nodes.display.ranked_sheets"
) -> list[tuple[Any, dict[str, Any]]]:
    """The entries and options of every ranked sheet that a module draws."""
    module, drawn = pack.module(drawn_by), []
    draw = module.ranked_sheet

    def recorded(entries: Any, **options: Any) -> Any:
        drawn.append((entries, options))
        return draw(entries, **options)

    monkeypatch.setattr(module, "ranked_sheet", recorded)
    return drawn
