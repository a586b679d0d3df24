"""Progress bar, live preview and Cancel of a running node."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import comfy.model_management
import comfy.utils
from PIL import Image

from ...ganrm_core.utils.progress import Progress, ProgressCallback
from ...ganrm_core.utils.time_left import Phase, PhasedProgress


@dataclass(frozen=True)
class Live:
    """State shown in a node's live preview.

    `step`: the latest progress; `share`: fraction of the whole work that is done, 0–1; `seconds_left`: None while
    unknown; `stopped`: why the work ended early (`CANCELLED`, `FAILED`), "" while it runs.
    """

    step: Progress
    share: float
    seconds_left: float | None = None
    stopped: str = ""


Draw = Callable[[Live], Image.Image]

CANCELLED, FAILED = "Cancelled", "Stopped by an error"
_BAR_INTERVAL_S = 0.05
_PREVIEW_INTERVAL_S = 1.0
_LIVE_SIZE, _LAST_SIZE = 1024, 2048
_BAR_STEPS = 1000


def progress_bar(phases: Sequence[Phase] = ()) -> ProgressCallback:
    """A callback that moves the node's progress bar, and raises when the user presses Cancel.

    With `phases` the bar covers the whole work, else the current stage. To be called in ComfyUI's own thread only.
    """
    return _NodeProgress(phases).show


@contextmanager
def live_progress(draw: Draw, phases: Sequence[Phase] = ()) -> Iterator[ProgressCallback]:
    """`progress_bar` with a live preview, drawn by `draw` about once a second.

    After Cancel or an error a last preview says so, because pages keep showing it; the exception passes through
    unchanged. After success the node itself calls `show_last`.
    """
    node = _NodeProgress(phases, draw)
    try:
        yield node.show
    except BaseException as error:  # on newer servers Cancel is a BaseException
        node.stop(error)
        raise


class _NodeProgress:
    """Progress bar and live preview of one run, throttled."""

    def __init__(self, phases: Sequence[Phase], draw: Draw | None = None) -> None:
        self._draw = draw
        self._phased = PhasedProgress(phases) if phases else None
        self._bar = comfy.utils.ProgressBar(1)
        self._bar_at = self._picture_at = 0.0
        self._live = Live(Progress("", 0, 0), 0.0)

    def show(self, step: Progress) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        now, earlier = time.monotonic(), self._live.step
        self._live = self._at(step)
        finished = step.done >= step.total
        if step.stage == earlier.stage and not finished and now - self._bar_at < _BAR_INTERVAL_S:
            return
        picture = None
        if self._draw and (
            step.stage != earlier.stage or finished or now - self._picture_at >= _PREVIEW_INTERVAL_S
        ):
            picture = self._draw(self._live)
            self._picture_at = time.monotonic()
        self._bar_at = now
        self._send(picture)

    def stop(self, error: BaseException) -> None:
        """Show a last preview that says why the work ended. Failures in here never hide `error`."""
        live = Live(self._live.step, self._live.share, stopped=CANCELLED if is_cancel(error) else FAILED)
        for _ in range(2):  # a second Cancel may interrupt the first try
            try:
                if self._draw:
                    self._send(self._draw(live))
            except comfy.model_management.InterruptProcessingException:
                continue
            except Exception as problem:
                logging.warning("GAN-RM: the node cannot show that it was stopped: %s", problem)
            return

    def _at(self, step: Progress) -> Live:
        if self._phased is None:
            return Live(step, step.done / step.total if step.total > 0 else 0.0)
        whole = self._phased.update(step)
        return Live(step, whole.share, whole.seconds_left)

    def _send(self, picture: Image.Image | None) -> None:
        preview = None if picture is None else ("JPEG", picture.convert("RGB"), _LIVE_SIZE)
        if self._phased is None:
            step = self._live.step
            self._bar.update_absolute(step.done, max(step.total, 1), preview)
        else:
            self._bar.update_absolute(round(_BAR_STEPS * self._live.share), _BAR_STEPS, preview)


def show_last(picture: Image.Image) -> None:
    """Send `picture` as the last preview of a node with live previews: the page keeps showing it."""
    size = min(_LAST_SIZE, max(picture.size))
    comfy.utils.ProgressBar(1).update_absolute(1, 1, ("PNG", picture.convert("RGB"), size))


def is_cancel(error: BaseException) -> bool:
    """Whether it is what ComfyUI raises when the user presses Cancel: on older servers an Exception, on newer ones not."""
    return isinstance(error, comfy.model_management.InterruptProcessingException)


def check_cancel() -> None:
    """Raise if the user pressed Cancel."""
    comfy.model_management.throw_exception_if_processing_interrupted()
