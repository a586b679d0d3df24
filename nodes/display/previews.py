"""Pictures of ours on ComfyUI's sockets and in its nodes."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...ganrm_core.reports.live_preview import Stage, live_preview
from ...ganrm_core.utils.errors import OutputError
from ...ganrm_core.utils.time_left import time_left_words
from ..files.pixel_files import write_picture
from ..host import folders
from ..host.progress import Live
from .ranked_sheets import word_card

_NOTICE_SIZE = (512, 256)


def as_image(picture: Image.Image) -> Tensor:
    """An IMAGE socket's [1, H, W, 3] in 0–1."""
    return torch.from_numpy(np.asarray(picture.convert("RGB"), dtype=np.float32) / 255).unsqueeze(0)


def live_card(live: Live) -> Image.Image:
    """What a node shows while it trains, and once it was stopped."""
    step = live.step
    left = time_left_words(live.seconds_left)
    stage = Stage(step.stage, step.done, step.total, live.share, left, live.stopped)
    return live_preview(step.history, stage)


def notice_card(words: str) -> Image.Image:
    """A card with `words`, for a node that has no picture to show."""
    return word_card(words, *_NOTICE_SIZE)


def notice(words: str) -> dict[str, Any]:
    """A card with `words` as what a node shows: the page shows no text on nodes of ours."""
    return in_node(notice_card(words))


def in_node(picture: Image.Image, **metrics: list[Any]) -> dict[str, Any]:
    """What a node returns as `ui`: the picture for the page, and figures, lists all, for API clients.

    A temporary folder that cannot be written to costs the picture on the node, not the work that it shows.
    """
    rgb = picture.convert("RGB")
    try:
        home = folders.temporary_folder()
        # Named by content: the page shows a changed picture at once and an unchanged one from its cache.
        path = home / f"{hashlib.sha256(rgb.tobytes()).hexdigest()[:20]}.png"
        write_picture(path, lambda place: rgb.save(place, compress_level=4), overwrite=True)
    except (OutputError, OSError) as error:
        logging.warning("GAN-RM: the picture cannot be shown on its node. %s", error)
        return {"images": [], **metrics}
    return {"images": [{"filename": path.name, "subfolder": home.name, "type": "temp"}], **metrics}
