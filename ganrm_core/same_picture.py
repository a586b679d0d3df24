"""The same-picture test: does a model score the picture, or the file it came in?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .errors import ImageError
from .images import read_image
from .metrics import FloatArray
from .progress import Progress, ProgressCallback
from .twins import SAME_PICTURE, same_pixels

Judge = Callable[[Sequence[Tensor], int], FloatArray]

_PER_CLASS = 20
_NOTABLE, _OFTEN = 0.35, 0.65
"""A mean shift of this share of the spread, this often the same way, is more than a clean model shows."""


@dataclass(frozen=True)
class TwinResult:
    """How the scores of pictures compare with those of their twins.

    `outranks`: how often the original scores higher, 0–1; equal scores count half. `shift`: mean of
    original − twin, in units of the spread of logits inside a class, `wobble`: the mean of its size.
    """

    name: str
    outranks: float
    shift: float
    wobble: float


@dataclass(frozen=True)
class SamePicture:
    """The test's outcome: one word, one sentence, and the figures behind them."""

    word: str
    sentence: str
    pictures: int
    results: tuple[TwinResult, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SamePicture:
        """Raises LookupError, TypeError or ValueError for anything that `to_json` did not give."""
        results = tuple(TwinResult(**entry) for entry in data["results"])
        return cls(str(data["word"]), str(data["sentence"]), int(data["pictures"]), results)


def same_picture_test(
    paths: Sequence[Path],
    labels: NDArray[np.int64],
    judge: Judge,
    *,
    seed: int = 0,
    progress: ProgressCallback,
) -> SamePicture:
    """Score some held-out pictures and their twins (see `twins.SAME_PICTURE`).

    `judge` takes uint8 pictures [3, H, W] of any sizes, which are one position in `paths` and its twins,
    and that position; it gives their logits by a head that has not seen them. Files that have become
    unreadable are left out.
    """
    chosen = _some_of_each(labels, seed)
    logits: dict[str, list[float]] = {name: [] for name in SAME_PICTURE}
    originals: list[float] = []
    judged: list[int] = []
    for done, position in enumerate(chosen):
        progress(Progress("comparing with itself", done, len(chosen)))
        try:
            image = read_image(paths[position])
        except ImageError:
            continue
        original, others = _judged(image, position, judge)
        originals.append(original)
        judged.append(position)
        for name, value in others.items():
            logits[name].append(value)
    progress(Progress("comparing with itself", len(chosen), len(chosen)))
    spread = _spread(np.array(originals), labels[judged])
    results = tuple(_result(name, np.array(originals), np.array(v), spread) for name, v in logits.items())
    word, sentence = _verdict(results)
    return SamePicture(word, sentence, len(judged), results)


def _judged(image: Tensor, position: int, judge: Judge) -> tuple[float, dict[str, float]]:
    twins = {name: make(image) for name, make in SAME_PICTURE.items()}
    # Where no pixel changed there is nothing to judge anew.
    changed = [name for name, twin in twins.items() if not same_pixels(twin, image)]
    original, *others = judge([image, *(twins[name] for name in changed)], position).tolist()
    logits = dict(zip(changed, others, strict=True))
    return original, {name: logits.get(name, original) for name in twins}


def _some_of_each(labels: NDArray[np.int64], seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    return sorted(
        int(position)
        for label in (0, 1)
        for position in rng.permutation(np.flatnonzero(labels == label))[:_PER_CLASS]
    )


def _spread(logits: FloatArray, labels: NDArray[np.int64]) -> float:
    """Mean standard deviation inside the classes."""
    inside = [float(logits[labels == label].std()) for label in (0, 1) if (labels == label).any()]
    return max(float(np.mean(inside)) if inside else 0.0, 1e-12)


def _result(name: str, originals: FloatArray, twins: FloatArray, spread: float) -> TwinResult:
    if not len(twins):
        return TwinResult(name, 0.5, 0.0, 0.0)
    gap = originals - twins
    outranks = float((gap > 0).mean() + 0.5 * (gap == 0).mean())
    return TwinResult(name, outranks, float(gap.mean()) / spread, float(np.abs(gap).mean()) / spread)


_PREFERENCES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("JPEG 75", "JPEG 90", "WebP 80"), "prefers uncompressed files", "prefers compressed files"),
    (("2 % larger", "2 % smaller"), "reacts to size", "reacts to size"),
    (("shifted by a pixel",), "reacts to framing", "reacts to framing"),
    (("half size and back",), "prefers crisp pictures", "prefers soft pictures"),
    (("colour tags",), "reacts to colour tags", "reacts to colour tags"),
)


def _verdict(results: Sequence[TwinResult]) -> tuple[str, str]:
    """The strongest preference, files before sharpness, which may be taste."""
    by_name = {result.name: result for result in results}
    for names, higher, lower in _PREFERENCES:
        worst = max((by_name[name] for name in names if name in by_name), key=lambda r: abs(r.shift))
        if abs(worst.shift) < _NOTABLE or max(worst.outranks, 1 - worst.outranks) < _OFTEN:
            continue
        word = higher if worst.shift > 0 else lower
        taste = " That may be your taste." if "half" in worst.name else ""
        return word, (
            f"The same picture scores {'higher' if worst.shift > 0 else 'lower'} than its twin "
            f"({worst.name}) {max(worst.outranks, 1 - worst.outranks):.0%} of the time, by "
            f"{abs(worst.shift):.2f} of the spread inside a folder.{taste}"
        )
    return "clean", "The same picture keeps its score when it is saved, sized or shifted in another way."
