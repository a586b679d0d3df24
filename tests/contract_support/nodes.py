"""A reward for brightness, grey pictures, errors, Cancel and recorded sheets."""

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


def warns(preview: Tensor) -> bool:
    """Whether a sheet has letters in the colour of warnings."""
    warned = (preview[0] * 255).round().int() == torch.tensor((255, 138, 101))
    return int(warned.all(dim=-1).sum()) > 1000


def record_sheets(pack: Any, monkeypatch: Any, module: str = "nodes.display.ranked_sheets") -> list[Any]:
    """The (entries, options) of every ranked sheet that the module draws."""
    name = "drawn_ranked_sheet" if hasattr(pack.module(module), "drawn_ranked_sheet") else "ranked_sheet"
    drawn, draw = [], getattr(pack.module(module), name)

    def recorded(entries: Any, **options: Any) -> Any:
        drawn.append((entries, options))
        return draw(entries, **options)

    monkeypatch.setattr(pack.module(module), name, recorded)
    return drawn
