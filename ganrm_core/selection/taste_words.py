"""Words of a taste card: a model's held-out figures said plainly, its licence, and how to use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..reports.taste_card import Figures, TasteWords, of_hundred
from ..rewards.discriminator.card_fields import interval, section

NOT_STATED = "not stated"
_DIGITS = 16  # of the sha256 on the card; the metadata has them all


@dataclass(frozen=True)
class CardText:
    """What the artist says of a model: `name` and, where not "", `author` and `licence`; `file` is the model's file name."""

    name: str
    file: str
    author: str = ""
    licence: str = ""


def taste_words(text: CardText, model_card: Mapping[str, Any], sha256: str) -> TasteWords:
    """The words for a model from its checkpoint's `model_card`, whose entries may be missing."""
    metrics, origin = section(model_card, "metrics"), section(model_card, "provenance")
    share, low, high = interval(metrics.get("auc"))
    figures = Figures(share, low, high)
    return TasteWords(
        name=text.name,
        author=f"by {text.author}" if text.author else "",
        lead=_lead(figures),
        interval=_interval(figures),
        figures=figures,
        footer=[
            ("Licence", text.licence or NOT_STATED),
            *_learned(metrics, origin),
            ("In ComfyUI", f"Put {text.file} into models/ganrm and choose it in Load GAN-RM."),
            ("Command line", f"ganrm best {text.file} PICTURES --keep 9 --output best"),
            ("sha256", f"{sha256[:_DIGITS]}…"),
        ],
    )


def _lead(figures: Figures) -> str:
    if figures.share is None:
        return "How well it tells liked from ordinary pictures was not measured."
    said = "it scores the liked one of two pictures it had never seen higher."
    return f"{said} That may be luck." if figures.low is not None and figures.low <= 0.5 else said


def _interval(figures: Figures) -> str:
    if figures.low is None or figures.high is None:
        return ""
    return f"95% interval: {of_hundred(figures.low)} to {of_hundred(figures.high)} times"


def _learned(metrics: Mapping[str, Any], origin: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What it learned from, and how many it sorts rightly."""
    known = []
    counts = [origin.get("n_liked"), origin.get("n_ordinary")]
    if all(isinstance(count, int) and not isinstance(count, bool) for count in counts):
        known.append(f"{counts[0]:,} liked and {counts[1]:,} ordinary pictures")
    accuracy, low, high = interval(metrics.get("accuracy"))
    if accuracy is not None:
        between = f" ({low:.0%} to {high:.0%})" if low is not None and high is not None else ""
        known.append(f"sorts {accuracy:.0%} of new ones rightly{between}")
    return [("Learned from", " · ".join(known))] if known else []
