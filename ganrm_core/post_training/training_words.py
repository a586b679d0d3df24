"""What came of a training on groups, in words for artists."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..reports.chart_style import number_text
from ..utils.errors import DataError
from .choices import Choice
from .config import GroupTraining, LoraSettings, Method
from .group_watch_words import better_earlier, last_watched, watch_facts, watch_stopped
from .training_chart import held_out_points, smoothed
from .training_trace import TrainingTrace
from .watch import NO_MEMORY, NOT_A_NUMBER

TITLES: dict[Method, str] = {
    "best": "LoRA trained on the best pictures",
    "pairs": "LoRA trained on pairs of better and worse pictures",
}
UNCHANGED = 0.005
"""Mean change of the preview's latents, in their standard deviations, below which nobody sees a difference."""

_NEXT = "Now let Compare Models say whether your taste prefers the new pictures, and keep the LoRA with Save LoRA."


@dataclass(frozen=True)
class Verdict:
    """One or two sentences on what happened and what to do next. `warning`: whether something is amiss."""

    sentence: str
    warning: bool


def check_kept(trace: TrainingTrace) -> None:
    """Raise DataError for a training that left nothing worth keeping, unless the watch has seen why."""
    if trace.stopped and not trace.kept and not trace.stopped_by:
        raise DataError(_nothing_kept(trace))


def verdict(trace: TrainingTrace, steps: int, changed: float | None) -> Verdict:
    """`changed`: how far the preview's latents moved, in their standard deviations; None if unknown."""
    last = trace.steps[-1].number if trace.steps else 0
    if trace.stopped == NOT_A_NUMBER:
        return Verdict(
            f"Stopped after step {last} of {steps}: the loss was no longer a number. The LoRA is that of step "
            f"{trace.kept}, before it went wrong. Train again with a lower learning rate.",
            True,
        )
    if trace.stopped == NO_MEMORY:
        return Verdict(
            f"Stopped after step {last} of {steps}: there was not enough memory, not even for one picture at a time. The "
            f"LoRA is that of step {trace.kept}. To train all steps, close other programs that use the graphics card.",
            True,
        )
    if trace.stopped_by:
        return Verdict(watch_stopped(trace, steps, _NEXT), True)
    if trace.stopped:
        return Verdict(
            f"Stopped at step {last} of {steps}: the model was forgetting how good pictures are made. The LoRA is that "
            f"of step {trace.kept}. {_NEXT} A lower learning rate gets further.",
            True,
        )
    if trace.best and trace.kept < last:
        return Verdict(*better_earlier(trace, steps, _NEXT))
    if trace.warned:
        return Verdict(
            f"All {steps} steps are done, but the model has begun to forget how good pictures are made. Look closely "
            "with Compare Models; if the pictures suffer, train again with fewer steps or a lower learning rate.",
            True,
        )
    if changed is not None and changed < UNCHANGED:
        return Verdict(
            f"All {steps} steps are done, but the pictures are as they were. Train again with more steps or a higher "
            "learning rate.",
            True,
        )
    if trace.best is not None:
        return Verdict(*last_watched(trace, steps, _NEXT))
    return Verdict(f"All {steps} steps are done. {_NEXT}", False)


def facts(trace: TrainingTrace, choice: Choice, settings: GroupTraining, lora: LoraSettings) -> list[str]:
    """Lines on what was learned from, how, and how it went."""
    trained, held_out = (len({each.group for each in part}) for part in (choice.train, choice.held_out))
    kind = "pairs" if settings.method == "pairs" else "best pictures"
    learned = f"Learned from {len(choice.train)} {kind} of {trained} groups"
    watched = f", watched on {held_out} more" if held_out else ""
    lines = [
        f"{learned}{watched}.",
        f"Rank {lora.rank}, alpha {lora.alpha:g}, layers: {lora.layers}; learning rate {settings.rate:g}, {settings.batch} "
        f"a step, seed {settings.seed}.",
    ]
    known = [loss for loss in smoothed(trace.losses) if math.isfinite(loss)]
    if known:
        lines.append(f"Loss {number_text(known[0])} at first, {number_text(known[-1])} at last.")
    if points := held_out_points(trace):
        lines.append(
            f"Held-out error: {points[-1][1]:.0%} of that before training (on good pictures that were not learned from)."
        )
    return [*lines, *watch_facts(trace)]


def notes(choice: Choice, settings: GroupTraining, micro_batch: int) -> list[str]:
    """Sentences on what is not as it could be."""
    found = []
    if choice.skipped:
        count = "1 group was" if choice.skipped == 1 else f"{choice.skipped} groups were"
        found.append(f"{count} left out: the pictures in it are all equally good to your taste.")
    if not choice.held_out:
        found.append("No groups were left to watch for forgetting. Make eight or more.")
    if micro_batch < settings.micro_batch:
        found.append(
            f"Memory let only {micro_batch} of {settings.micro_batch} pictures through the model at once. The result is "
            "the same, it took longer."
        )
    return found


def _nothing_kept(trace: TrainingTrace) -> str:
    if trace.stopped == NOT_A_NUMBER:
        return (
            "The training broke down within its first steps: the loss was not a number. Use a lower learning rate. If it "
            "happens at any rate, the model does not compute well in half precision: start ComfyUI with --bf16-unet or "
            "--fp32-unet."
        )
    return (
        "Within its first steps the model forgot how good pictures are made, so nothing was kept. Use a learning rate "
        "ten times lower."
    )
