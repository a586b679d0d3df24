"""The demo: training on real pictures, then best-of-N among candidates whose true quality is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.image_folder import find_images
from ..data.image_io import to_float, to_pil
from ..data.result_marker import marked_png
from ..metrics.binary import FloatArray, selection_efficiency
from ..metrics.summary import SummaryMetrics
from ..reports.contact_sheet import Tile, contact_sheet
from ..reports.html_report import write_report
from ..reports.score_format import score_text
from ..rewards.discriminator.reward_model import RewardModel
from ..rewards.evaluation import Evaluation, evaluate
from ..synthetic.degradations import FAULTS, MAX_LOSS, Original
from ..synthetic.sample_split import SquareImage, load_squares, split_squares
from ..training.config import TrainingSettings
from ..training.trainer import TrainingResult, train
from ..utils.files import atomic_file, write_new_file
from ..utils.progress import Progress, ProgressCallback
from .report import demo_report

CANDIDATES = 8
_STRENGTHS = tuple(float(s) for s in np.linspace(0.1, 1.0, CANDIDATES))
_FAULTS_PER_PICTURE = 3
_VIEWS = 2  # of each picture; four take twice as long and are no better on so many pictures
_GROUPS_PER_PICTURE = 2
_SHEET_PER_KIND = 3


@dataclass(frozen=True)
class Choice:
    """Scored candidates of one picture, and their true SSIM losses; `thumbnails` only where the sheet shows them."""

    kind: str
    name: str
    losses: FloatArray
    logits: FloatArray
    scores: FloatArray
    thumbnails: list[Tensor]


@dataclass(frozen=True)
class DemoOutcome:
    """`efficiency` has one entry per fault kind, and "together"."""

    held_out: SummaryMetrics
    efficiency: dict[str, float]
    n_liked: int
    n_ordinary: int
    n_test: int
    warnings: list[str]
    report: Path


def run_demo(
    output: Path, *, seed: int, backbone: str, device: str, progress: ProgressCallback
) -> DemoOutcome:
    """Train, evaluate, choose, and write pictures, model and report into the empty folder `output`.

    Raises DataError where the pictures of the extra [demo] are not installed.
    """
    settings = TrainingSettings(
        backbone=backbone, seed=seed, views=_VIEWS
    )  # refuses a bad seed before any work
    training, held_out = split_squares(load_squares(progress), seed)
    rng = np.random.default_rng(seed)
    folders = {
        part: output / "pictures" / part
        for part in ("liked", "ordinary", "held-out liked", "held-out ordinary")
    }
    half = len(training) // 2
    half_out = len(held_out) // 2
    _write_pictures(training[:half], folders["liked"], progress)
    _write_faulty(training[half:], folders["ordinary"], rng, progress, _FAULTS_PER_PICTURE)
    _write_pictures(held_out[:half_out], folders["held-out liked"], progress)
    _write_faulty(held_out[half_out:], folders["held-out ordinary"], rng, progress)

    result = train(
        folders["liked"], folders["ordinary"], settings, device=device, progress=progress, name="demo"
    )
    result.model.save(output / "demo.safetensors")
    evaluation = evaluate(
        result.model,
        find_images(folders["held-out liked"]),
        find_images(folders["held-out ordinary"]),
        progress=progress,
    )
    choices = _choose(result.model, held_out, rng, progress)
    efficiency = _efficiency(choices)
    report = _write_results(output, result, evaluation, choices, efficiency)
    return DemoOutcome(
        held_out=evaluation.metrics,
        efficiency=efficiency,
        n_liked=result.n_liked,
        n_ordinary=result.n_ordinary,
        n_test=len(evaluation.labels),
        warnings=result.warnings,
        report=report,
    )


def _write_pictures(pictures: list[SquareImage], folder: Path, progress: ProgressCallback) -> None:
    folder.mkdir(parents=True)
    for done, picture in enumerate(pictures, start=1):
        _save(picture.pixels, folder / f"{picture.stem}.png")
        progress(Progress(f"writing {folder.name} pictures", done, len(pictures)))


def _write_faulty(
    pictures: list[SquareImage],
    folder: Path,
    rng: np.random.Generator,
    progress: ProgressCallback,
    faults_per_picture: int = 1,
) -> None:
    folder.mkdir(parents=True)
    for index, picture in enumerate(pictures):
        original = Original(to_float(picture.pixels))
        for kind in (FAULTS[(index + turn) % len(FAULTS)] for turn in range(faults_per_picture)):
            faulty = original.degraded(kind, float(rng.uniform(0.1, 1.0)), seed=int(rng.integers(2**31)))
            _save(_eight_bit(faulty.image), folder / f"{picture.stem}.{kind}.png")
        progress(Progress(f"making {folder.name} pictures", index + 1, len(pictures)))


def _choose(
    model: RewardModel, pictures: list[SquareImage], rng: np.random.Generator, progress: ProgressCallback
) -> list[Choice]:
    """Best of N on unseen pictures, each in two groups of candidates with one kind of fault each."""
    choices = []
    for index, picture in enumerate(pictures):
        original = Original(to_float(picture.pixels))
        for turn in range(_GROUPS_PER_PICTURE):
            kind = FAULTS[(index + turn) % len(FAULTS)]
            shown = turn == 0 and index < _SHEET_PER_KIND * len(FAULTS)
            choices.append(_ranked(model, picture.stem, original, kind, rng, shown))
        progress(Progress(f"best of {CANDIDATES}", index + 1, len(pictures)))
    return choices


def _ranked(
    model: RewardModel, name: str, original: Original, kind: str, rng: np.random.Generator, shown: bool
) -> Choice:
    """Scored candidates with evenly spaced strengths, in random order so that position is uninformative."""
    faulty = [
        original.degraded(kind, _STRENGTHS[i], seed=int(rng.integers(2**31)))
        for i in rng.permutation(CANDIDATES)
    ]
    candidates = [_eight_bit(one.image) for one in faulty]
    scores = model.score([to_float(candidate) for candidate in candidates])
    return Choice(
        kind=kind,
        name=name,
        losses=np.array([one.ssim_loss for one in faulty]),
        logits=scores.logit.double().numpy(),
        scores=scores.score.double().numpy(),
        thumbnails=candidates if shown else [],
    )


def _efficiency(choices: list[Choice]) -> dict[str, float]:
    def of(some: list[Choice]) -> float:
        return selection_efficiency([-c.losses for c in some], [int(np.argmax(c.logits)) for c in some])

    kinds = {kind: of([c for c in choices if c.kind == kind]) for kind in FAULTS}
    return {**kinds, "together": of(choices)}


def _write_results(
    output: Path,
    result: TrainingResult,
    evaluation: Evaluation,
    choices: list[Choice],
    efficiency: dict[str, float],
) -> Path:
    shown = [choice for choice in choices if choice.thumbnails]
    shown.sort(key=lambda choice: FAULTS.index(choice.kind))
    sheet = contact_sheet(
        [_sheet_row(choice) for choice in shown],
        tile=140,
        title=f"Best of {CANDIDATES}, ranked by the taste model",
        row_labels=[f"{choice.kind} · {choice.name}" for choice in shown],
    )
    write_new_file(output / "best_of_n.png", marked_png(sheet, "sheet"))
    report = output / "report.html"
    write_report(report, demo_report(result, evaluation, efficiency, sheet))
    return report


def _sheet_row(choice: Choice) -> list[Tile]:
    """Tiles of one picture's candidates, best first, the chosen one in gold, each with its true strength."""
    ranking: NDArray[np.int64] = np.argsort(-choice.logits, kind="stable")
    true_rank = np.argsort(np.argsort(choice.losses, kind="stable"), kind="stable")
    return [
        Tile(
            choice.thumbnails[i],
            (
                f"score {score_text(choice.scores[i])}",
                f"fault {choice.losses[i] / MAX_LOSS:.2f} · truly #{true_rank[i] + 1}",
            ),
            highlight=rank == 1,
            badge=f"#{rank}",
        )
        for rank, i in enumerate(ranking.tolist(), start=1)
    ]


def _eight_bit(image: Tensor) -> Tensor:
    return image.mul(255).round().clamp(0, 255).to(torch.uint8)


def _save(image: Tensor, path: Path) -> None:
    with atomic_file(path) as temporary:
        to_pil(image).save(temporary, compress_level=1)
