"""Preview card of Save GAN-RM: the name a model was saved under, and its AUC beside the previous version's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from ...ganrm_core.reports.canvas import (
    ACCENT,
    CARD,
    SOFT_TEXT,
    TEXT,
    TextStyle,
    line_height,
    paragraph_height,
    write,
    write_paragraph,
)
from ...ganrm_core.rewards.discriminator.card_fields import interval, section
from ...ganrm_core.rewards.discriminator.checkpoint import read_card
from ...ganrm_core.utils.errors import CheckpointError

_WIDTH, _MARGIN = 640, 32
_HEAD, _NAME, _AUC, _NOTE = 30, 46, 46, 26


def auc_of(card: Mapping[str, Any]) -> float | None:
    """The held-out AUC in a model's card; None if it was not measured."""
    return interval(section(card, "metrics").get("auc"))[0]


def auc_of_file(path: Path | None) -> float | None:
    """The held-out AUC of a model file; None also if it cannot be read."""
    try:
        return auc_of(read_card(path)) if path else None
    except CheckpointError:
        return None


def auc_text(auc: float | None, before: float | None) -> str:
    """Such as "AUC 0.900, before 0.872"; "" if the model was not measured."""
    if auc is None:
        return ""
    return f"AUC {auc:.3f}" + ("" if before is None else f", before {before:.3f}")


def saved_card(head: str, name: str, metrics: str, note: str = "") -> Image.Image:
    """RGB card with large type: `head` ("Saved as"), the model's name, the AUC text, and a note."""
    room = _WIDTH - 2 * _MARGIN
    height = _MARGIN + line_height(_HEAD) + paragraph_height(name, _NAME, room)
    height += (line_height(_AUC) if metrics else 0) + (paragraph_height(note, _NOTE, room) if note else 0)
    card = Image.new("RGB", (_WIDTH, height + _MARGIN), CARD)
    draw = ImageDraw.Draw(card)
    top = _MARGIN
    write(draw, (_MARGIN, top), head, TextStyle(_HEAD, SOFT_TEXT), room)
    top += line_height(_HEAD)
    top += write_paragraph(draw, (_MARGIN, top), name, TextStyle(_NAME, TEXT), room)
    if metrics:
        write(draw, (_MARGIN, top), metrics, TextStyle(_AUC, ACCENT), room)
        top += line_height(_AUC)
    if note:
        write_paragraph(draw, (_MARGIN, top), note, TextStyle(_NOTE, SOFT_TEXT), room)
    return card
