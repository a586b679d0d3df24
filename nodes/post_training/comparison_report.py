"""What Compare Models shows: the sheet, the summary, and lists for API clients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...ganrm_core.data.image_io import to_pil
from ...ganrm_core.metrics.binary import Interval
from ...ganrm_core.post_training.comparison import (
    ENOUGH_PROMPTS,
    Change,
    Comparison,
    Verdict,
    representative,
    verdict,
)
from ...ganrm_core.post_training.comparison_sheet import ComparedPair, comparison_sheet, figures, pair_legend
from ...ganrm_core.reports.canvas import enlarged
from .comparison_run import ComparisonInputs, Side

_PAIRS = 8
_SIDE = 256  # small pictures are enlarged to this


@dataclass(frozen=True)
class Report:
    """`values`: the `ui` lists for API clients, without the picture."""

    verdict: Verdict
    sheet: Image.Image
    summary: str
    values: dict[str, list[Any]]


def report(
    given: ComparisonInputs, comparison: Comparison, before: Side, after: Side, features: str
) -> Report:
    """`features`: what diversity was measured with."""
    found = verdict(comparison)
    lines = figures(comparison)
    pairs = _pairs(given, before, after)
    sheet = comparison_sheet(pairs, found, lines, legend=pair_legend(len(pairs), comparison.pairs))
    told = [f"{line.name}: {line.value}" + (f" ({line.note})" if line.note else "") for line in lines]
    summary = "\n".join([found.sentence, *told, *_notes(given, comparison, features)])
    return Report(found, sheet, summary, _values(given, comparison, found, (before, after), summary))


def _pairs(given: ComparisonInputs, before: Side, after: Side) -> list[ComparedPair]:
    logits = [torch.cat(side.logits) for side in (before, after)]
    scores = [torch.cat(side.scores).tolist() for side in (before, after)]
    gains = logits[1] - logits[0]
    return [
        ComparedPair(
            enlarged(to_pil(before.thumbnails[place]), _SIDE),
            enlarged(to_pil(after.thumbnails[place]), _SIDE),
            (scores[0][place], scores[1][place]),
            float(gains[place]),
            given.prompts.texts[place // given.pictures],
        )
        for place in representative(gains.numpy(), _PAIRS)
    ]


def _notes(given: ComparisonInputs, comparison: Comparison, features: str) -> list[str]:
    one = "1 prompt" if comparison.prompts == 1 else f"{comparison.prompts} prompts"
    count = f"{comparison.pairs} pairs of {one}, from seed {given.seed} on."
    prompts = comparison.prompts >= ENOUGH_PROMPTS
    what = "prompts like these" if prompts else "these prompts with other seeds"
    notes = [f"{count} In brackets the 95% intervals, for {what}.", f"Diversity by {features}."]
    if comparison.spoilt != (0, 0):
        before, after = comparison.spoilt
        notes.append(f"Pictures with NaN or infinite values, left out: {before} before, {after} after.")
    if math.isnan(comparison.prompt_kept.value):
        notes.append("Prompt kept: the model before does not show whether a picture follows its prompt.")
    return notes


def _values(
    given: ComparisonInputs, comparison: Comparison, found: Verdict, sides: tuple[Side, Side], summary: str
) -> dict[str, list[Any]]:
    before, after = sides
    seeds = [seed for prompt in range(comparison.prompts) for seed in given.seeds(prompt)]
    return {
        "keep": [found.keep],
        "win_rate": _interval(comparison.wins),
        **_change("reward", comparison.reward),
        **(_change("judge", comparison.judge) if comparison.judge else {}),
        "diversity": [_finite(comparison.diversity)],
        "prompt_kept": _interval(comparison.prompt_kept),
        "pairs": [comparison.pairs],
        "spoilt": list(comparison.spoilt),
        "seeds": seeds,
        "scores_before": _list(before.scores),
        "scores_after": _list(after.scores),
        "summary": [summary],
    }


def _change(name: str, change: Change) -> dict[str, list[Any]]:
    return {
        f"{name}_before": [_finite(change.before)],
        f"{name}_after": [_finite(change.after)],
        f"{name}_change": _interval(change.difference),
    }


def _interval(interval: Interval) -> list[float | None]:
    return [_finite(value) for value in interval.to_json()]


def _list(parts: Sequence[Tensor]) -> list[float | None]:
    return [_finite(value) for value in torch.cat(list(parts)).tolist()]


def _finite(value: float) -> float | None:
    """NaN and infinity, which JSON lacks, become None."""
    return value if math.isfinite(value) else None
