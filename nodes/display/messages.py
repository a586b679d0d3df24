"""Texts of nodes about reward models and failed files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...ganrm_core.leakage.report import invariance_summary
from ...ganrm_core.reports.evaluation_plots import threshold_purpose as what_for
from ...ganrm_core.reports.score_format import score_text
from ...ganrm_core.rewards.discriminator.card_fields import finite_number, format_interval, interval, section
from ...ganrm_core.selection.close_calls import join_names
from ...ganrm_core.utils.error_text import printable
from ...ganrm_core.utils.errors import GanRMError, TooFewError

_FEW = 50
_COUNTED = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def threshold_sentence(thresholds: Mapping[str, float]) -> str:
    """The suggested thresholds as a sentence; "" where there are none."""
    known = {name: finite_number(value) for name, value in thresholds.items()}
    named = [f"{score_text(value)} ({what_for(name)})" for name, value in known.items() if value is not None]
    return f"Keep pictures from a score of {', or of '.join(named)}." if named else ""


def not_done(failed: Mapping[int, GanRMError], what: str) -> str:
    """Such as "2 and 5 were not saved: the disk is full.": positions counted from 1, and the first one's error."""
    numbers = [str(position + 1) for position in failed]
    return f"{join_names(numbers)} {'was' if len(numbers) == 1 else 'were'} not {what}: {next(iter(failed.values()))}"


def to_go(error: TooFewError) -> str:
    """Such as "2 of 10 liked pictures in my_likes, eight to go.", and which files do not count."""
    missing = error.needed - error.count
    more = _COUNTED[missing] if missing < len(_COUNTED) else str(missing)
    place = f" in {printable(error.name)}" if error.name else ""
    count = f"{error.count} of {error.needed} {error.kind} pictures{place}, {more} to go."
    return " ".join(filter(None, (count, "Nothing is trained until then.", error.lost)))


def about_card(name: str, card: Mapping[str, Any]) -> list[str]:
    """The lines that describe a model, from its card; entries that an older card lacks are left out."""
    lines = [name]
    metrics, origin = section(card, "metrics"), section(card, "provenance")
    if interval(metrics.get("auc"))[0] is not None:
        protocol = f", {metrics['held_out']}" if "held_out" in metrics else ""
        lines.append(f"held-out AUC {format_interval(metrics['auc'])}{protocol}")
    if thresholds := threshold_sentence(section(card, "thresholds")):
        lines.append(thresholds)
    if "n_liked" in origin and "n_ordinary" in origin:
        lines.append(f"trained on {origin['n_liked']} liked and {origin['n_ordinary']} ordinary pictures")
    if backbone := section(card, "backbone").get("name"):
        lines.append(f"backbone: {backbone}" + (", adapted with LoRA" if card.get("adapter") else ""))
    if date := origin.get("date"):
        lines.append(f"date: {str(date)[:10]}")
    lines.append(f"same-picture test: {invariance_summary(card)}")
    return [*lines, *warning_lines(_card_warnings(origin, metrics))]


def warning_lines(warnings: Sequence[str]) -> list[str]:
    return [f"! {warning}" for warning in warnings]


def _card_warnings(origin: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    warnings = []
    counts = [origin.get("n_liked"), origin.get("n_ordinary")]
    fewest = min((count for count in counts if isinstance(count, int)), default=_FEW)
    if fewest < _FEW:
        warnings.append(f"Trained with only {fewest} pictures of a kind: expect a rough model.")
    lowest = interval(metrics.get("auc"))[1]
    if lowest is not None and lowest <= 0.5:
        warnings.append("On pictures it had not seen it was not safely better than a coin toss.")
    return warnings
