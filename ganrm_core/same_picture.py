"""The same-picture test: does a model score the picture, or the file it came in?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .cores import in_order
from .errors import ImageError
from .images import read_image
from .metrics import FloatArray
from .progress import Progress, ProgressCallback
from .twins import SAME_PICTURE, same_pixels

Judge = Callable[[Sequence[Tensor], int], FloatArray]

_PER_CLASS, _AT_FIRST, _FEWEST = 20, 24, 20
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
    threads: int = 0,
    seed: int = 0,
    progress: ProgressCallback,
) -> SamePicture:
    """Score some held-out pictures and their twins (see `twins.SAME_PICTURE`).

    `judge` takes uint8 pictures [3, H, W] of any sizes, which are one position in `paths` and its twins,
    and that position; it gives their logits by a head that has not seen them. In how many `threads` it may be
    called; without any, in the caller's. Files that have become unreadable are left out.
    """
    chosen = _some_of_each(labels, seed)
    judged: dict[int, _Pair] = {}
    gaps = _gaps(judged, labels)

    def judged_at(position: int) -> _Pair | None:
        try:
            return _judged(read_image(paths[position]), position, judge)
        except ImageError:
            return None

    progress(Progress("comparing with itself", 0, len(chosen)))
    for part in (chosen[:_AT_FIRST], chosen[_AT_FIRST:]):
        # No name is given to what is judged ahead: its threads must end where the loop is left.
        for position, pair in zip(
            part, in_order(part, judged_at, threads=threads, ahead=2 * threads, share=True), strict=True
        ):
            if pair is not None:
                judged[position] = pair
            progress(Progress("comparing with itself", chosen.index(position) + 1, len(chosen)))
        gaps = _gaps(judged, labels)
        if _surely_clean(gaps):
            break
    progress(Progress("comparing with itself", len(chosen), len(chosen)))
    results = tuple(_result(name, gap) for name, gap in gaps.items())
    word, sentence = _verdict(results)
    return SamePicture(word, sentence, len(judged), results)


_Pair = tuple[float, dict[str, float]]
"""The logit of a picture, and those of its twins by their names."""


def _judged(image: Tensor, position: int, judge: Judge) -> tuple[float, dict[str, float]]:
    twins = {name: make(image) for name, make in SAME_PICTURE.items()}
    # Where no pixel changed there is nothing to judge anew.
    changed = [name for name, twin in twins.items() if not same_pixels(twin, image)]
    original, *others = judge([image, *(twins[name] for name in changed)], position).tolist()
    logits = dict(zip(changed, others, strict=True))
    return original, {name: logits.get(name, original) for name in twins}


def _some_of_each(labels: NDArray[np.int64], seed: int) -> list[int]:
    """Positions of pictures, of both classes in turn while there are any."""
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(np.flatnonzero(labels == label))[:_PER_CLASS].tolist() for label in (0, 1)]
    return [position for pair in zip_longest(*drawn) for position in pair if position is not None]


def _gaps(judged: Mapping[int, _Pair], labels: NDArray[np.int64]) -> dict[str, FloatArray]:
    """By how much the originals score higher than each twin [pictures], in units of the spread inside a class."""
    originals = np.array([original for original, _ in judged.values()])
    spread = _spread(originals, labels[list(judged)])
    return {
        name: (originals - np.array([twins[name] for _, twins in judged.values()])) / spread
        for name in SAME_PICTURE
    }


def _spread(logits: FloatArray, labels: NDArray[np.int64]) -> float:
    """Mean standard deviation inside the classes."""
    inside = [float(logits[labels == label].std()) for label in (0, 1) if (labels == label).any()]
    return max(float(np.mean(inside)) if inside else 0.0, 1e-12)


def _surely_clean(gaps: Mapping[str, FloatArray]) -> bool:
    """Whether no shift would be notable were it larger by three standard errors, its own and the spread's."""
    return all(
        len(gap) >= _FEWEST
        and abs(gap.mean()) + 3 * np.sqrt((gap.var(ddof=1) + gap.mean() ** 2 / 2) / len(gap)) < _NOTABLE
        for gap in gaps.values()
    )


def _result(name: str, gap: FloatArray) -> TwinResult:
    if not len(gap):
        return TwinResult(name, 0.5, 0.0, 0.0)
    outranks = float((gap > 0).mean() + 0.5 * (gap == 0).mean())
    return TwinResult(name, outranks, float(gap.mean()), float(np.abs(gap).mean()))


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
