"""What nodes say about a reward model, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..ganrm_core.certainty import listed
from ..ganrm_core.errors import GanRMError
from ..ganrm_core.leak_report import in_a_word
from ..ganrm_core.plots import threshold_words as what_for

_FEW = 50


def threshold_sentence(thresholds: Mapping[str, float]) -> str:
    """Where to cut, as a sentence; "" where the model suggests nothing."""
    named = [f"{value:.2f} ({what_for(name)})" for name, value in thresholds.items()]
    return f"Keep pictures from a score of {', or of '.join(named)}." if named else ""


def not_done(failed: Mapping[int, GanRMError], what: str) -> str:
    """Such as "2 and 5 were not saved: the disk is full.": positions, counted from 1, and why the first of them."""
    numbers = [str(position + 1) for position in failed]
    return f"{listed(numbers)} {'was' if len(numbers) == 1 else 'were'} not {what}: {next(iter(failed.values()))}"


def about_card(name: str, card: Mapping[str, Any]) -> list[str]:
    """A model's card in lines; what an older or foreign card lacks is left out."""
    lines = [name]
    metrics, origin = _object(card.get("metrics")), _object(card.get("provenance"))
    if interval := _interval(metrics.get("auc")):
        lines.append(
            f"held-out AUC {interval}" + (f", {metrics['held_out']}" if "held_out" in metrics else "")
        )
    if thresholds := threshold_sentence(_object(card.get("thresholds"))):
        lines.append(thresholds)
    if "n_liked" in origin and "n_ordinary" in origin:
        lines.append(f"trained on {origin['n_liked']} liked and {origin['n_ordinary']} ordinary pictures")
    if backbone := _object(card.get("backbone")).get("name"):
        lines.append(f"backbone: {backbone}" + (", adapted with LoRA" if card.get("adapter") else ""))
    if date := origin.get("date"):
        lines.append(f"date: {str(date)[:10]}")
    lines.append(f"same-picture test: {in_a_word(card)}")
    return [*lines, *marked(_card_warnings(origin, metrics))]


def marked(warnings: Sequence[str]) -> list[str]:
    return [f"! {warning}" for warning in warnings]


def _card_warnings(origin: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    warnings = []
    counts = [origin.get("n_liked"), origin.get("n_ordinary")]
    fewest = min((count for count in counts if isinstance(count, int)), default=_FEW)
    if fewest < _FEW:
        warnings.append(f"Trained with only {fewest} pictures of a kind: expect a rough model.")
    if (interval := metrics.get("auc")) and _interval(interval) and interval[1] <= 0.5:
        warnings.append("On pictures it had not seen it was not safely better than a coin toss.")
    return warnings


def _interval(value: Any) -> str:
    """A figure with its interval; "" for what is not one."""
    if isinstance(value, list) and len(value) == 3 and all(isinstance(v, (int, float)) for v in value):
        return "{:.3f} [{:.3f}, {:.3f}]".format(*value)
    return ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
