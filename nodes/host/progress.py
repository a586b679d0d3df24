"""Progress on the node, and Cancel."""

from __future__ import annotations

import time
from collections.abc import Callable

import comfy.model_management
import comfy.utils
from PIL import Image

from ...ganrm_core.progress import Progress, ProgressCallback

Draw = Callable[[Progress], Image.Image]

_BETWEEN_BARS = 0.05
_BETWEEN_PICTURES = 1.0
_PICTURE_SIZE = 1024


def progress_bar(draw: Draw | None = None) -> ProgressCallback:
    """A callback that moves the node's bar and raises when the artist presses Cancel.

    `draw` makes the picture shown on the node meanwhile, about once a second. Only ComfyUI's own
    thread may call it.
    """
    bar = comfy.utils.ProgressBar(1)
    last_bar = last_picture = 0.0
    stage = ""

    def show(step: Progress) -> None:
        nonlocal last_bar, last_picture, stage
        comfy.model_management.throw_exception_if_processing_interrupted()
        now = time.monotonic()
        finished = step.done >= step.total
        if step.stage == stage and not finished and now - last_bar < _BETWEEN_BARS:
            return
        preview = None
        if draw and (step.stage != stage or finished or now - last_picture >= _BETWEEN_PICTURES):
            preview = _encoded(draw(step))
            last_picture = time.monotonic()
        stage, last_bar = step.stage, now
        bar.update_absolute(step.done, max(step.total, 1), preview)

    return show


def show_last(picture: Image.Image) -> None:
    """Leave `picture` on a node that showed pictures before: the page keeps its last one."""
    comfy.utils.ProgressBar(1).update_absolute(1, 1, _encoded(picture))


def check_cancel() -> None:
    """Raise if the artist pressed Cancel."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def _encoded(picture: Image.Image) -> tuple[str, Image.Image, int]:
    return ("JPEG", picture.convert("RGB"), _PICTURE_SIZE)
