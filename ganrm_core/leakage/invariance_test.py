"""Invariance test: does a model's score survive re-encoding, rescaling and shifting of the same picture?"""

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

ScoreImages = Callable[[Sequence[Tensor], int], FloatArray]
"""uint8 pictures [3, H, W] of any sizes, versions of the one at a position → their held-out logits."""

_PER_CLASS, _FEWEST, _STEP = 20, 16, 4  # pictures: at most, before the first decision, between decisions
_NOTABLE, _OFTEN = 0.35, 0.65
"""Verdict thresholds, beyond those of clean models: mean shift in spreads, and share of pictures moving the same way."""


@dataclass(frozen=True)
class PerturbationResult:
    """Score changes of pictures under one perturbation.

    `outranks`: how often the original scores higher, 0–1; equal scores count half. `shift`: mean of original −
    perturbed, in units of the spread of logits inside a class; `wobble`: mean absolute value of the same.
    """

    name: str
    outranks: float
    shift: float
    wobble: float


@dataclass(frozen=True)
class InvarianceTest:
    """Outcome of the test: verdict, sentence, and the measurements behind them.

    `pictures`: how many were scored; not all of them under every perturbation.
    """

    word: str
    sentence: str
    pictures: int
    results: tuple[PerturbationResult, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> InvarianceTest:
        """Inverse of `to_json`. Raises LookupError, TypeError or ValueError for anything else."""
        results = tuple(PerturbationResult(**entry) for entry in data["results"])
        return cls(str(data["word"]), str(data["sentence"]), int(data["pictures"]), results)


def measure_invariance(
    paths: Sequence[Path],
    labels: NDArray[np.int64],
    score: ScoreImages,
    *,
    threads: int = 0,
    seed: int = 0,
    progress: ProgressCallback,
) -> InvarianceTest:
    """Score a sample of held-out pictures, and them under each of `perturbations.SAME_PICTURE`.

    `score` is called from as many `threads`; with 0, in the caller's. Files that have become unreadable are left
    out. Sequential: after the first pictures, only perturbations that may still change the verdict are scored.
    """
    chosen = _sample(labels, seed)
    scored: dict[int, _Logits] = {}
    undecided = tuple(SAME_PICTURE)

    def scored_at(position: int) -> _Logits | None:
        try:
            return _scored(read_image(paths[position]), position, undecided, score)
        except ImageError:
            return None

    progress(Progress("comparing with itself", 0, len(chosen)))
    for start, stop in pairwise((0, *range(_FEWEST, len(chosen), _STEP), len(chosen))):
        # Not bound to a name, so that its threads end where the loop is left.
        for done, logits in enumerate(
            in_order(chosen[start:stop], scored_at, threads=threads, ahead=2 * threads, share=True), start
        ):
            if logits is not None:
                scored[chosen[done]] = logits
            progress(Progress("comparing with itself", done + 1, len(chosen)))
        shifts = _shifts(scored, labels)
        undecided = tuple(_undecided(shifts))
        if not undecided:
            break
    progress(Progress("comparing with itself", len(chosen), len(chosen)))
    results = _results(shifts)
    word, sentence = _verdict(results)
    return InvarianceTest(word, sentence, len(scored), tuple(results.values()))


_Logits = tuple[float, dict[str, float]]
"""The logit of a picture, and its logits under each perturbation."""


def _scored(image: Tensor, position: int, names: Sequence[str], score: ScoreImages) -> _Logits:
    perturbed = {name: SAME_PICTURE[name](image) for name in names}
    # Where no pixel changed there is nothing to score.
    changed = [name for name, other in perturbed.items() if not same_pixels(other, image)]
    original, *others = score([image, *(perturbed[name] for name in changed)], position).tolist()
    logits = dict(zip(changed, others, strict=True))
    return original, {name: logits.get(name, original) for name in perturbed}


def _sample(labels: NDArray[np.int64], seed: int) -> list[int]:
    """Positions of a random sample, the classes alternating while both have pictures."""
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(np.flatnonzero(labels == label))[:_PER_CLASS].tolist() for label in (0, 1)]
    return [position for pair in zip_longest(*drawn) for position in pair if position is not None]


def _shifts(scored: Mapping[int, _Logits], labels: NDArray[np.int64]) -> dict[str, FloatArray]:
    """original − perturbed logits of each perturbation, in units of the spread inside a class."""
    spread = _spread(np.array([original for original, _ in scored.values()]), labels[list(scored)])
    return {
        name: np.array([original - others[name] for original, others in scored.values() if name in others])
        / spread
        for name in SAME_PICTURE
    }


def _spread(logits: FloatArray, labels: NDArray[np.int64]) -> float:
    """Mean standard deviation within the classes."""
    inside = [float(logits[labels == label].std()) for label in (0, 1) if (labels == label).any()]
    return max(float(np.mean(inside)) if inside else 0.0, 1e-12)


def _undecided(shifts: Mapping[str, FloatArray]) -> Iterator[str]:
    """The perturbations whose shift is still uncertain and may decide the verdict."""
    results = _results(shifts)
    for names, _, _ in _PREFERENCES:
        yield from (name for name in names if not _is_certain(shifts[name]))
        found = _strongest(results, names)
        if found and _is_certain(shifts[found.name]):
            return


def _is_certain(shift: FloatArray) -> bool:
    """Whether the mean shift is two standard errors (its own and the spread's) away from the threshold.

    The share of pictures that move the same way is taken as measured.
    """
    if len(shift) < _FEWEST:
        return False
    mean = abs(shift.mean())
    margin = 2 * np.sqrt((shift.var(ddof=1) + mean**2 / 2) / len(shift))
    return bool(mean + margin < _NOTABLE or (mean - margin >= _NOTABLE and _is_notable(_result("", shift))))


def _is_notable(result: PerturbationResult) -> bool:
    return abs(result.shift) >= _NOTABLE and max(result.outranks, 1 - result.outranks) >= _OFTEN


def _results(shifts: Mapping[str, FloatArray]) -> dict[str, PerturbationResult]:
    return {name: _result(name, shift) for name, shift in shifts.items()}


def _result(name: str, shift: FloatArray) -> PerturbationResult:
    if not len(shift):
        return PerturbationResult(name, 0.5, 0.0, 0.0)
    outranks = float((shift > 0).mean() + 0.5 * (shift == 0).mean())
    return PerturbationResult(name, outranks, float(shift.mean()), float(np.abs(shift).mean()))


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
    """(word, sentence) of the first notable preference; sharpness comes late, since it may be taste."""
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
