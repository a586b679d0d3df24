"""The same-picture test: does a model score the picture, or the file it came in?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data.image_io import read_image
from ..metrics.binary import FloatArray
from ..utils.errors import ImageError
from ..utils.parallel import in_order
from ..utils.progress import Progress, ProgressCallback
from .perturbations import SAME_PICTURE, same_pixels

Judge = Callable[[Sequence[Tensor], int], FloatArray]

_PER_CLASS, _FEWEST, _STEP = 20, 16, 4
_NOTABLE, _OFTEN = 0.35, 0.65
"""A mean shift of this share of the spread, this often the same way, is more than a clean model shows."""


@dataclass(frozen=True)
class PerturbationResult:
    """How the scores of pictures compare with those of their twins.

    `outranks`: how often the original scores higher, 0–1; equal scores count half. `shift`: mean of
    original − twin, in units of the spread of logits inside a class, `wobble`: the mean of its size.
    """

    name: str
    outranks: float
    shift: float
    wobble: float


@dataclass(frozen=True)
class InvarianceTest:
    """The test's outcome: one word, one sentence, and the figures behind them.

    `pictures`: how many were looked at, not all of them in every way.
    """

    word: str
    sentence: str
    pictures: int
    results: tuple[PerturbationResult, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> InvarianceTest:
        """Raises LookupError, TypeError or ValueError for anything that `to_json` did not give."""
        results = tuple(PerturbationResult(**entry) for entry in data["results"])
        return cls(str(data["word"]), str(data["sentence"]), int(data["pictures"]), results)


def measure_invariance(
    paths: Sequence[Path],
    labels: NDArray[np.int64],
    judge: Judge,
    *,
    threads: int = 0,
    seed: int = 0,
    progress: ProgressCallback,
) -> InvarianceTest:
    """Score some held-out pictures and their twins (see `twins.SAME_PICTURE`).

    `judge` takes uint8 pictures [3, H, W] of any sizes, which are one position in `paths` and its twins,
    and that position; it gives their logits by a head that has not seen them. In how many `threads` it may be
    called; without any, in the caller's. Files that have become unreadable are left out. Only some pictures are
    looked at in every way; of the others twins are made of the kinds that may still decide the verdict.
    """
    chosen = _some_of_each(labels, seed)
    judged: dict[int, _Pair] = {}
    unclear = tuple(SAME_PICTURE)

    def judged_at(position: int) -> _Pair | None:
        try:
            return _judged(read_image(paths[position]), position, unclear, judge)
        except ImageError:
            return None

    progress(Progress("comparing with itself", 0, len(chosen)))
    for start, stop in pairwise((0, *range(_FEWEST, len(chosen), _STEP), len(chosen))):
        # No name is given to what is judged ahead: its threads must end where the loop is left.
        for done, pair in enumerate(
            in_order(chosen[start:stop], judged_at, threads=threads, ahead=2 * threads, share=True), start
        ):
            if pair is not None:
                judged[chosen[done]] = pair
            progress(Progress("comparing with itself", done + 1, len(chosen)))
        gaps = _gaps(judged, labels)
        unclear = tuple(_open_questions(gaps))
        if not unclear:
            break
    progress(Progress("comparing with itself", len(chosen), len(chosen)))
    results = _results(gaps)
    word, sentence = _verdict(results)
    return InvarianceTest(word, sentence, len(judged), tuple(results.values()))


_Pair = tuple[float, dict[str, float]]
"""The logit of a picture, and those of its twins by their names."""


def _judged(image: Tensor, position: int, names: Sequence[str], judge: Judge) -> _Pair:
    twins = {name: SAME_PICTURE[name](image) for name in names}
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
    """By how much originals score higher than each of their twins, in units of the spread inside a class."""
    spread = _spread(np.array([original for original, _ in judged.values()]), labels[list(judged)])
    return {
        name: np.array([original - twins[name] for original, twins in judged.values() if name in twins])
        / spread
        for name in SAME_PICTURE
    }


def _spread(logits: FloatArray, labels: NDArray[np.int64]) -> float:
    """Mean standard deviation inside the classes."""
    inside = [float(logits[labels == label].std()) for label in (0, 1) if (labels == label).any()]
    return max(float(np.mean(inside)) if inside else 0.0, 1e-12)


def _open_questions(gaps: Mapping[str, FloatArray]) -> Iterator[str]:
    """The kinds of twins that are unclear yet and may decide the verdict."""
    results = _results(gaps)
    for names, _, _ in _PREFERENCES:
        yield from (name for name in names if not _is_clear(gaps[name]))
        found = _strongest(results, names)
        if found and _is_clear(gaps[found.name]):
            return


def _is_clear(gap: FloatArray) -> bool:
    """Whether the mean shift is two standard errors, its own and the spread's, away from being judged otherwise.

    How often a notable one goes the same way is taken as it is found.
    """
    if len(gap) < _FEWEST:
        return False
    mean = abs(gap.mean())
    margin = 2 * np.sqrt((gap.var(ddof=1) + mean**2 / 2) / len(gap))
    return bool(mean + margin < _NOTABLE or (mean - margin >= _NOTABLE and _is_notable(_result("", gap))))


def _is_notable(result: PerturbationResult) -> bool:
    return abs(result.shift) >= _NOTABLE and max(result.outranks, 1 - result.outranks) >= _OFTEN


def _results(gaps: Mapping[str, FloatArray]) -> dict[str, PerturbationResult]:
    return {name: _result(name, gap) for name, gap in gaps.items()}


def _result(name: str, gap: FloatArray) -> PerturbationResult:
    if not len(gap):
        return PerturbationResult(name, 0.5, 0.0, 0.0)
    outranks = float((gap > 0).mean() + 0.5 * (gap == 0).mean())
    return PerturbationResult(name, outranks, float(gap.mean()), float(np.abs(gap).mean()))


_PREFERENCES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("JPEG 75", "JPEG 90", "WebP 80"), "prefers uncompressed files", "prefers compressed files"),
    (("2 % larger", "2 % smaller"), "reacts to size", "reacts to size"),
    (("shifted by a pixel",), "reacts to framing", "reacts to framing"),
    (("half size and back",), "prefers crisp pictures", "prefers soft pictures"),
    (("colour tags",), "reacts to colour tags", "reacts to colour tags"),
)


def _strongest(results: Mapping[str, PerturbationResult], names: Sequence[str]) -> PerturbationResult | None:
    """The notable result with the largest shift."""
    notable = [results[name] for name in names if _is_notable(results[name])]
    return max(notable, key=lambda result: abs(result.shift), default=None)


def _verdict(results: Mapping[str, PerturbationResult]) -> tuple[str, str]:
    """The strongest preference, files before sharpness, which may be taste."""
    for names, higher, lower in _PREFERENCES:
        worst = _strongest(results, names)
        if worst is None:
            continue
        word = higher if worst.shift > 0 else lower
        taste = " That may be your taste." if "half" in worst.name else ""
        return word, (
            f"The same picture scores {'higher' if worst.shift > 0 else 'lower'} than its twin "
            f"({worst.name}) {max(worst.outranks, 1 - worst.outranks):.0%} of the time, by "
            f"{abs(worst.shift):.2f} of the spread inside a folder.{taste}"
        )
    return "clean", "The same picture keeps its score when it is saved, sized or shifted in another way."
