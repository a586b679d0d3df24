"""The bar and the picture of a node, and how both end."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image


@pytest.fixture
def host(pack: Any) -> Any:
    return pack.module("nodes.host.progress")


@pytest.fixture
def step(pack: Any) -> Any:
    return pack.module("ganrm_core.utils.progress").Progress


@pytest.fixture
def sent(host: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, Any]]:
    """What the host was given: value, total and picture."""
    given: list[tuple[int, int, Any]] = []

    class Bar:
        def __init__(self, _: int) -> None:
            pass

        def update_absolute(self, value: int, total: int, preview: Any = None) -> None:
            host.comfy.model_management.throw_exception_if_processing_interrupted()
            given.append((value, total, preview))

    monkeypatch.setattr(host.comfy.utils, "ProgressBar", Bar)
    return given


class Drawing:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def __call__(self, live: Any) -> Image.Image:
        self.seen.append(live)
        return Image.new("RGB", (8, 8))


def test_work_that_ends_well_is_not_called_stopped(host: Any, step: Any, sent: list[Any]) -> None:
    draw = Drawing()
    with host.live_progress(draw) as show:
        for done in range(4):
            show(step("reading", done, 3))
    assert [live.stopped for live in draw.seen] == [""] * len(draw.seen)
    assert sent[-1][:2] == (3, 3)


def test_an_error_leaves_a_picture_that_says_so_and_goes_on_untouched(
    host: Any, step: Any, sent: list[Any]
) -> None:
    draw, error = Drawing(), ValueError("a bad file")

    def work() -> None:
        with host.live_progress(draw) as show:
            show(step("reading", 1, 3))
            raise error

    with pytest.raises(ValueError, match="a bad file") as caught:
        work()
    assert caught.value is error
    assert (draw.seen[-1].stopped, draw.seen[-1].step.done) == (host.FAILED, 1)
    assert sent[-1][2] is not None


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.parametrize("kind", [Exception, BaseException])  # what it is depends on the server's version
def test_cancel_too_at_the_start_and_pressed_twice(
    host: Any,
    step: Any,
    sent: list[Any],
    begun: bool,
    presses: int,
    kind: type,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ComfyUI's flag is cleared by the exception it raises; a second press sets it again."""
    management, draw, left = host.comfy.model_management, Drawing(), [0]
    monkeypatch.setattr(management, "InterruptProcessingException", type("Interrupt", (kind,), {}))

    def press() -> None:
        if left[0]:
            left[0] -= 1
            raise management.InterruptProcessingException

    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", press)

    def work() -> None:
        with host.live_progress(draw) as show:
            if begun:
                show(step("reading", 1, 3))
            left[0] = presses
            show(step("reading", 2, 3))

    with pytest.raises(management.InterruptProcessingException):
        work()
    assert draw.seen[-1].stopped == host.CANCELLED
    assert sent[-1][2] is not None


def test_a_picture_that_cannot_be_drawn_hides_no_error(host: Any, sent: list[Any]) -> None:
    def draw(_: Any) -> Image.Image:
        raise RuntimeError("no font")

    with pytest.raises(ValueError, match="the real one"), host.live_progress(draw):
        raise ValueError("the real one")
    assert not sent
