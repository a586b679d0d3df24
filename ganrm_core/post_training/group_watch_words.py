"""What the watch saw in a training on groups, in words for artists."""

from __future__ import annotations

from collections.abc import Mapping

from .round_limits import SIGNS, Sign, warnings
from .sign_words import REMEDIES, problems, values_line, what_went_wrong
from .training_trace import TrainingTrace

_REMEDIES: Mapping[Sign, str] = {
    **REMEDIES,
    "forgetting": "A lower learning rate gets further.",
    "details": "A lower learning rate gets further.",
    "diversity": "A lower learning rate, or the method 'pairs', gets further.",
    "spread": "A lower learning rate gets further.",
}
"""There is no anchor here, and the pictures are made already."""


def watch_stopped(trace: TrainingTrace, steps: int, then: str) -> str:
    """After a training that a sign ended. `then`: what to do with a LoRA."""
    signs = trace.stopped_by
    reason = f"Stopped by the watch at step {trace.steps[-1].number} of {steps}: {what_went_wrong(trace.looks, signs)}"
    if not trace.kept:
        return (
            f"{reason} No look before that was both better and free of such signs, so the LoRA is as it was before training. "
            f"{_REMEDIES[signs[0]]}"
        )
    return (
        f"{reason} The LoRA is that of step {trace.kept}, the best before that. {then} {_REMEDIES[signs[0]]}"
    )


def better_earlier(trace: TrainingTrace, steps: int, then: str) -> tuple[str, bool]:
    """After all steps, where an earlier look was the best; and whether something is amiss."""
    head = f"All {steps} steps are done. The LoRA is that of step {trace.kept}, the best by the watch."
    found = {sign for look in trace.looks[(trace.best or 0) + 1 :] for sign in warnings(look)}
    later = [sign for sign in SIGNS if sign in found]
    if later:
        return f"{head} After it, {what_went_wrong(trace.looks, later)} {then}", True
    return f"{head} Later ones did not please {_whom(trace)} more. {then}", False


def last_watched(trace: TrainingTrace, steps: int, then: str) -> tuple[str, bool]:
    """After all steps, where the LoRA is that of the last one; and whether something is amiss."""
    if trace.best:
        return f"All {steps} steps are done, and by the watch the last is the best. {then}", False
    signs = warnings(trace.looks[-1])
    if trace.looks[-1].reward > 0 and signs:
        what = "the model may please your taste by cheating"
    else:
        what = f"the pictures do not please {_whom(trace)} more than before"
    head = " ".join([f"All {steps} steps are done, but {what}.", *problems(signs)])
    if signs:
        then = f"look closely with Compare Models. {_REMEDIES[signs[0]]}"
    else:
        then = "let Compare Models say whether to keep it, or train again with more steps or a higher learning rate."
    return f"{head} The LoRA is that of the last step all the same: {then}", True


def watch_facts(trace: TrainingTrace) -> list[str]:
    """Lines on the look whose weights are kept, and on the last one."""
    if trace.best is None:
        return []
    places = sorted({trace.best, len(trace.looks) - 1})
    return [
        f"{_when(look.rounds)}: {values_line(look)}." for look in (trace.looks[place] for place in places)
    ]


def _when(step: int) -> str:
    return f"After step {step}" if step else "Before training"


def _whom(trace: TrainingTrace) -> str:
    return "your taste" if trace.looks[-1].judge is None else "the second opinion"
