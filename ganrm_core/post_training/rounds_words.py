"""What came of a training in rounds, in words for artists.

What is at stake is said plainly: pictures can please a taste by cheating, and then the scores rise while the pictures
become worse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..reports.chart_style import number_text
from .config import LoraSettings, RoundMethod, RoundsTraining
from .round_limits import LIMITS, SIGNS, Limit, Sign, warnings
from .round_signs import Look
from .rounds import RoundsTrace
from .sign_words import PROBLEMS, REMEDIES, values_line, what_went_wrong
from .training_words import Verdict
from .watch import NO_MEMORY, NOT_A_NUMBER

TITLES: Mapping[RoundMethod, str] = {
    "nft": "LoRA trained in turn with your taste",
    "grpo": "LoRA trained in turn with your taste (GRPO)",
}
_METHOD_NAMES: Mapping[RoundMethod, str] = {"nft": "DiffusionNFT", "grpo": "Flow-GRPO"}

_NEXT = "Compare Models shows whether its pictures are better, or only score better; Save LoRA keeps it."
_SAME = "The LoRA is as it was before training."
_GENTLER = "Train again with a lower learning rate, a stronger anchor, or more pictures per prompt."


def verdict(trace: RoundsTrace, rounds: int, limits: Mapping[Sign, Limit] = LIMITS) -> Verdict:
    """What happened in a training of `rounds` rounds, and what to do next."""
    if trace.stopped in (NOT_A_NUMBER, NO_MEMORY):
        return Verdict(_broken_down(trace, rounds), True)
    if trace.stopped:
        return Verdict(_stopped(trace, rounds), True)
    done, kept = len(trace.losses), trace.kept
    if done < rounds:
        best = (
            f"The best so far is that of round {kept}."
            if kept
            else "None is better than before training so far."
        )
        return Verdict(f"{done} of {rounds} rounds are done. {best} Queue again to go on.", True)
    if not kept:
        return Verdict(_nothing_better(trace, rounds, limits), True)
    if kept == done:
        return Verdict(f"All {rounds} rounds are done, and the last is the best. {_NEXT}", False)
    head = f"All {rounds} rounds are done. The LoRA is that of round {kept}, the best."
    later = _later_signs(trace, limits)
    if later:
        return Verdict(f"{head} After it, {what_went_wrong(trace.looks, later)} {_NEXT}", True)
    pleased = "your taste" if trace.looks[trace.best].judge is None else "the second opinion"
    return Verdict(f"{head} Later rounds did not please {pleased} more. {_NEXT}", False)


def warnings_of(trace: RoundsTrace, limits: Mapping[Sign, Limit] = LIMITS) -> list[str]:
    """Sentences on the signs beyond their warning limit at the look that is kept.

    `best_of` passes over looks with such signs, except the first: there they say that this reward has little to teach.
    """
    if not trace.looks:
        return []
    look = trace.looks[trace.best]
    found = warnings(look, limits)
    if look.rounds == 0:
        lead = "Even before training, your taste takes the model's pictures for better than the liked ones: it can teach little."
        return [f"{lead} Choose liked pictures that the model does not reach."] if "lead" in found else []
    return [f"{PROBLEMS[sign]} {REMEDIES[sign]}" for sign in found]


def facts(trace: RoundsTrace, settings: RoundsTraining, lora: LoraSettings) -> list[str]:
    """Lines on how it was trained, how it went, and the state that is kept."""
    refitted = "your taste refitted after each" if settings.refresh else "your taste as it was"
    refitted += ", every part judged too" if settings.patches else ""
    anchor = f"anchor {settings.anchor:g}" if settings.anchor else "no anchor"
    lines = [
        f"{len(trace.losses)} of {settings.rounds} rounds of {settings.groups} × {settings.pictures} pictures by "
        f"{_METHOD_NAMES[settings.method]}, {refitted}, {anchor}.",
        f"Rank {lora.rank}, alpha {lora.alpha:g}, layers: {lora.layers}; learning rate {settings.learning_rate:g}, "
        f"distance to the model {settings.kl:g}, seed {settings.seed}.",
    ]
    losses = [each.loss for each in trace.losses if math.isfinite(each.loss)]
    if losses:
        lines.append(f"Loss {number_text(losses[0])} at first, {number_text(losses[-1])} at last.")
    if trace.looks:
        lines.append(_state_line(trace.looks[trace.best]))
    if trace.looks and trace.best != len(trace.looks) - 1:
        lines.append(_state_line(trace.looks[-1]))
    if trace.seconds:
        lines.append(_time_line(trace.seconds))
    return lines


def _time_line(seconds: Mapping[str, float]) -> str:
    """Shares of the time, such as "Of the time: making 58%, judging 6%, learning 36%."."""
    total = sum(seconds.values()) or 1.0
    return f"Of the time: {', '.join(f'{work} {spent / total:.0%}' for work, spent in seconds.items())}."


def _state_line(look: Look) -> str:
    """The watch's values of one look."""
    when = f"After round {look.rounds}" if look.rounds else "Before training"
    return f"{when}: {values_line(look)}."


def _broken_down(trace: RoundsTrace, rounds: int) -> str:
    head = f"Stopped after round {len(trace.losses)} of {rounds}"
    if trace.stopped == NO_MEMORY:
        return (
            f"{head}: there was not enough memory, not even for one picture at a time. {_kept(trace)} To train all rounds, "
            "close other programs that use the graphics card and queue again."
        )
    return f"{head}: the loss was no longer a number. {_kept(trace)} Train again with a lower learning rate."


def _stopped(trace: RoundsTrace, rounds: int) -> str:
    """By the watch."""
    signs = [sign for sign in SIGNS if sign in trace.stopped.split(", ")]
    head = f"Stopped by the watch after round {len(trace.losses)} of {rounds}"
    reason = f"{head}: {what_went_wrong(trace.looks, signs)}"
    if not trace.kept:
        return f"{reason} No earlier round was better than before training. {_SAME} {_GENTLER}"
    remedies = f" {REMEDIES[signs[0]]}" if signs else ""
    return f"{reason} {_kept(trace)} {_NEXT}{remedies}"


def _nothing_better(trace: RoundsTrace, rounds: int, limits: Mapping[Sign, Limit]) -> str:
    head = f"All {rounds} rounds are done, but none was better than before training. {_SAME}"
    later = _later_signs(trace, limits)
    if later:
        return f"{head} In later rounds, {what_went_wrong(trace.looks, later)} {_GENTLER}"
    return f"{head} Train again with more rounds, more pictures per prompt, or a higher learning rate."


def _later_signs(trace: RoundsTrace, limits: Mapping[Sign, Limit]) -> list[Sign]:
    """The signs that spoke against looks after the best."""
    found = {sign for look in trace.looks[trace.best + 1 :] for sign in warnings(look, limits)}
    return [sign for sign in SIGNS if sign in found]


def _kept(trace: RoundsTrace) -> str:
    return f"The LoRA is that of round {trace.kept}, the best before that." if trace.kept else _SAME
