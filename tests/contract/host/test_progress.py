"""Progress bar and live preview of a node, and how both end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import pytest
from PIL import Image


@pytest.fixture
def host(pack: Any) -> Any:
    return pack.module("nodes.host.progress")


@pytest.fixture
def step(pack: Any) -> Any:
    return pack.module("ganrm_core.utils.progress").Progress


@dataclass
class Drawing:
    seen: list[Any] = field(default_factory=list)

    def __call__(self, live: Any) -> Image.Image:
        self.seen.append(live)
        return Image.new("RGB", (8, 8))


def test_work_that_ends_well_is_not_called_stopped(host: Any, step: Any, bar_updates: list[Any]) -> None:
    draw = Drawing()
    with host.live_progress(draw) as show:
        for done in range(4):
            show(step("reading", done, 3))
    assert [live.stopped for live in draw.seen] == [""] * len(draw.seen)
    assert bar_updates[-1][:2] == (3, 3)


def report(host: Any, step: Any, draw: Any, error: Exception | None = None) -> None:
    with host.live_progress(draw) as show:
        show(step("reading", 1, 3))
        if error:
            raise error


def test_an_error_is_shown_and_passes_through(host: Any, step: Any, bar_updates: list[Any]) -> None:
    draw, error = Drawing(), ValueError("a bad file")
    with pytest.raises(ValueError, match="a bad file") as caught:
        report(host, step, draw, error)
    assert caught.value is error
    assert (draw.seen[-1].stopped, draw.seen[-1].step.done) == (host.FAILED, 1)
    assert bar_updates[-1][2] is not None
    failing_preview = Mock(side_effect=RuntimeError("no font"))
    with pytest.raises(ValueError, match="a bad file"), host.live_progress(failing_preview):
        raise error


@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.parametrize("kind", [Exception, BaseException])  # depends on the server's version
def test_cancel_is_shown_even_when_pressed_twice(
    host: Any, step: Any, bar_updates: list[Any], cancel: Any, presses: int, kind: type, monkeypatch: Any
) -> None:
    """ComfyUI's flag is cleared by the exception it raises; a second press sets it again."""
    interrupt, left, draw = type("Interrupt", (kind,), {}), iter(range(presses)), Drawing()
    monkeypatch.setattr(host.comfy.model_management, "InterruptProcessingException", interrupt)
    cancel(lambda: next(left, None) is not None)
    with pytest.raises(interrupt):
        report(host, step, draw)
    assert draw.seen[-1].stopped == host.CANCELLED
    assert bar_updates[-1][2] is not None
