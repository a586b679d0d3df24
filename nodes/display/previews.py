"""PIL images as IMAGE outputs and as previews in ComfyUI's nodes."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...ganrm_core.data.image_metadata import write_png
from ...ganrm_core.reports.live_preview import Stage, live_preview
from ...ganrm_core.utils.errors import OutputError
from ...ganrm_core.utils.time_left import time_left_words
from ..files.pixel_files import write_picture
from ..host import folders
from ..host.progress import Live
from .ranked_sheets import text_card

_NOTICE_SIZE = (512, 256)


def as_image(picture: Image.Image) -> Tensor:
    """An IMAGE socket's [1, H, W, 3] in 0–1."""
    return torch.from_numpy(np.asarray(picture.convert("RGB"), dtype=np.float32) / 255).unsqueeze(0)


def live_card(live: Live) -> Image.Image:
    """The preview of a node that trains, or was stopped while training."""
    step = live.step
    left = time_left_words(live.seconds_left)
    stage = Stage(step.stage, step.done, step.total, live.share, left, live.stopped)
    return live_preview(step.history, stage)


def notice_card(words: str) -> Image.Image:
    """A card with a text, for a node that has no picture to show."""
    return text_card(words, *_NOTICE_SIZE)


def notice(words: str) -> dict[str, Any]:
    """The `ui` of a node that shows a text, drawn on a card: the page shows no `ui.text` on custom nodes."""
    return in_node(notice_card(words))


def in_node(
    picture: Image.Image, metadata: Mapping[str, str] | None = None, /, **values: list[Any]
) -> dict[str, Any]:
    """The `ui` of a node: its picture for the page, and `values`, all of them lists, for API clients.

    `metadata`: texts that the PNG file holds. If the temporary folder cannot be written to, the node has no picture, but
    it does not fail.
    """
    rgb = picture.convert("RGB")
    try:
        home = folders.temporary_folder()
        # Named by content: the page shows a changed picture at once and an unchanged one from its cache.
        texts = metadata or {}
        content = rgb.tobytes() + json.dumps(texts).encode() if texts else rgb.tobytes()
        path = home / f"{hashlib.sha256(content).hexdigest()[:20]}.png"
        write_picture(path, lambda place: write_png(rgb, place, texts), overwrite=True)
    except (OutputError, OSError) as error:
        logging.warning("GAN-RM: the picture cannot be shown on its node. %s", error)
        return {"images": [], **values}
    return {"images": [{"filename": path.name, "subfolder": home.name, "type": "temp"}], **values}
