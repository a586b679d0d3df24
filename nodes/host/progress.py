"""Progress on the node, and Cancel."""

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
    """What a node draws while it works.

    `step` is the latest; `share` of all the work is done, `seconds_left` is None while unknown. `stopped` says in a
    word or two why nothing more will come, "" while work goes on.
    """

    step: Progress
    share: float
    seconds_left: float | None = None
    stopped: str = ""


Draw = Callable[[Live], Image.Image]

CANCELLED, FAILED = "Cancelled", "Stopped by an error"
_BETWEEN_BARS = 0.05
_BETWEEN_PICTURES = 1.0
_LIVE_SIZE, _LAST_SIZE = 1024, 2048
_BAR_STEPS = 1000


def progress_bar(phases: Sequence[Phase] = ()) -> ProgressCallback:
    """A callback that moves the node's bar and raises when the artist presses Cancel.

    With `phases`, what the work goes through, the bar is that of the whole, else of the stage at hand. Only ComfyUI's
    own thread may call it.
    """
    return _Shown(phases).show


@contextmanager
def live_progress(draw: Draw, phases: Sequence[Phase] = ()) -> Iterator[ProgressCallback]:
    """`progress_bar` for a node that shows a picture meanwhile, by `draw`, about once a second.

    Where the work ends with Cancel or an error, the last picture says so: pages keep it, and it must not look alive.
    The exception goes on untouched. Where it ends well the node calls `show_last`.
    """
    shown = _Shown(phases, draw)
    try:
        yield shown.show
    except BaseException as error:  # which Cancel is on newer servers
        shown.stop(error)
        raise


class _Shown:
    """One run's bar and pictures."""

    def __init__(self, phases: Sequence[Phase], draw: Draw | None = None) -> None:
        self._draw = draw
        self._course = PhasedProgress(phases) if phases else None
        self._bar = comfy.utils.ProgressBar(1)
        self._bar_at = self._picture_at = 0.0
        self._live = Live(Progress("", 0, 0), 0.0)

    def show(self, step: Progress) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        now, earlier = time.monotonic(), self._live.step
        self._live = self._at(step)
        finished = step.done >= step.total
        if step.stage == earlier.stage and not finished and now - self._bar_at < _BETWEEN_BARS:
            return
        picture = None
        if self._draw and (
            step.stage != earlier.stage or finished or now - self._picture_at >= _BETWEEN_PICTURES
        ):
            picture = self._draw(self._live)
            self._picture_at = time.monotonic()
        self._bar_at = now
        self._send(picture)

    def stop(self, error: BaseException) -> None:
        """Leave a picture that says so. Nothing that goes wrong here may hide `error`."""
        cancelled = isinstance(error, comfy.model_management.InterruptProcessingException)
        live = Live(self._live.step, self._live.share, stopped=CANCELLED if cancelled else FAILED)
        for _ in range(2):  # a second Cancel, pressed in the meantime, interrupts the first try
            try:
                if self._draw:
                    self._send(self._draw(live))
            except comfy.model_management.InterruptProcessingException:
                continue
            except Exception as problem:
                logging.warning("GAN-RM: the node cannot show that it was stopped: %s", problem)
            return

    def _at(self, step: Progress) -> Live:
        if self._course is None:
            return Live(step, step.done / step.total if step.total > 0 else 0.0)
        whole = self._course.update(step)
        return Live(step, whole.share, whole.seconds_left)

    def _send(self, picture: Image.Image | None) -> None:
        preview = None if picture is None else ("JPEG", picture.convert("RGB"), _LIVE_SIZE)
        if self._course is None:
            step = self._live.step
            self._bar.update_absolute(step.done, max(step.total, 1), preview)
        else:
            self._bar.update_absolute(round(_BAR_STEPS * self._live.share), _BAR_STEPS, preview)


def show_last(picture: Image.Image) -> None:
    """Leave `picture` on a node that showed pictures before: the page keeps its last one."""
    size = min(_LAST_SIZE, max(picture.size))
    comfy.utils.ProgressBar(1).update_absolute(1, 1, ("PNG", picture.convert("RGB"), size))


def check_cancel() -> None:
    """Raise if the artist pressed Cancel."""
    comfy.model_management.throw_exception_if_processing_interrupted()
