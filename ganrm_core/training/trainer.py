"""Training a reward model from two sets of pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..backbones.base import Backbone
from ..backbones.registry import load_backbone
from ..data.content_hash import content_hash
from ..data.labelled_files import LEAST_PER_CLASS, Source, TrainingFiles, find_training_files
from ..data.skipped_files import Skipped, describe_skipped
from ..data.splits import IntArray
from ..leakage.audit.audit import Audit
from ..leakage.invariance_test import measure_invariance
from ..leakage.neutralisation import Neutraliser, neutraliser
from ..leakage.report import LeakReport
from ..metrics.binary import FloatArray, best_balanced_threshold, false_positive_threshold
from ..metrics.summary import SummaryMetrics, measure
from ..rewards.discriminator.feature_cache import FeatureCache
from ..rewards.discriminator.feature_extractor import FeatureExtractor
from ..rewards.discriminator.readout import Readout, default_readout, embedding_readout
from ..rewards.discriminator.reward_model import RewardModel
from ..utils.files import shown
from ..utils.logs import logger_of
from ..utils.progress import History, Progress, ProgressCallback, no_progress
from ..utils.short_names import short_names
from .config import TrainingSettings
from .cross_validation import FittedHead, fit_default, fit_paper
from .dataset_scan import scan_dataset
from .feature_archive import FeatureArchive
from .feature_extraction import CachedPictures, read_pictures
from .feature_rows import Rows
from .held_out_scorer import held_out_scorer
from .lora import fit_with_lora, trunk_of
from .provenance import provenance
from .trunk_states import TrunkStates

_log = logger_of(__name__)

METHOD = 11
"""Raised whenever the same pictures and settings would no longer give the same model."""

_FEW = 50
_SUSPICIOUS_AUC = 0.995


@dataclass(frozen=True)
class TrainingResult:
    """A trained model and what happened on the way.

    `held_out_paths`, `held_out_labels` and `held_out_scores` run parallel: scores given to pictures
    by models that had not seen them. `history` is how the fit went. `warnings` begin with those of the
    files themselves. `known` is what a later refinement starts from, None where the result was kept from
    an earlier run. `seconds` has `audit` (looking at the files before, and at the model after),
    `features` (reading pictures and running the backbone), `fit` and `total`, which is their sum.
    """

    model: RewardModel
    metrics: SummaryMetrics
    held_out_paths: list[Path]
    held_out_labels: IntArray
    held_out_scores: FloatArray
    history: History
    skipped: list[Skipped]
    warnings: list[str]
    seconds: dict[str, float]
    n_liked: int
    n_ordinary: int
    leaks: LeakReport
    known: FeatureArchive | None = None

    @property
    def figures(self) -> SummaryMetrics:
        """The name of `metrics` before version 0.2."""
        return self.metrics


def train(
    liked: Source,
    ordinary: Source,
    settings: TrainingSettings | None = None,
    *,
    recursive: bool = False,
    device: torch.device | str = "cpu",
    search_folders: Sequence[Path] = (),
    load: Callable[[str], Backbone] | None = None,
    progress: ProgressCallback = no_progress,
    name: str = "untitled",
) -> TrainingResult:
    """Train a reward model to tell `liked` from `ordinary` pictures.

    Both are folders or lists of files. A host that manages a device's memory itself gives `load`,
    which takes the backbone's name and returns it where it shall run; `device` and `search_folders`
    are then not looked at. The backbone reads a few views of every picture, once;
    heads are then fitted on the cached features, chosen and calibrated by cross-validation in which
    near-duplicates stay together. `progress` is called often and may raise to cancel.

    Raises DataError where the sets cannot be trained on (missing, fewer than 10 pictures, shared
    pictures) and BackboneError where the backbone cannot be loaded. Unreadable files are skipped and
    listed in the result.
    """
    files = find_training_files(liked, ordinary, recursive=recursive, progress=progress)
    return train_on_files(
        files,
        settings or TrainingSettings(),
        load=load or _loader(search_folders, device),
        progress=progress,
        name=name,
    )


def train_on_files(
    files: TrainingFiles,
    settings: TrainingSettings,
    *,
    load: Callable[[str], Backbone],
    progress: ProgressCallback = no_progress,
    name: str = "untitled",
) -> TrainingResult:
    """As `train`, on files that `find_training_files` has already looked at."""
    started = time.perf_counter()
    # ComfyUI runs nodes in inference mode, where nothing can be trained.
    with torch.inference_mode(False), torch.random.fork_rng(devices=_gpus()):
        torch.manual_seed(settings.seed)
        # First of all, since it may be that it cannot be had or adapted.
        backbone = load(settings.backbone)
        trunk = trunk_of(backbone) if settings.adapt == "lora" else None
        loaded = time.perf_counter()
        scan = scan_dataset(files, progress=progress)
        audit = scan.audit(seed=settings.seed, progress=progress)
        evening = neutraliser(settings.neutralise, audit, scan.facts, scan.labels)
        audited = time.perf_counter()
        readout = _readout(settings, backbone)
        reader = FeatureExtractor(backbone, readout)
        pictures = read_pictures(
            scan,
            reader,
            evening,
            views=1 if settings.preset == "paper" else settings.views,
            seed=settings.seed,
            progress=progress,
            states=TrunkStates(reader, trunk) if trunk else None,
        )
        features_done = time.perf_counter()
        fitted = _fit(settings, backbone, readout, pictures, progress)
        fit_done = time.perf_counter()
        same_picture = measure_invariance(
            [pictures.paths[i] for i in fitted.held_out],
            pictures.labels[fitted.held_out],
            held_out_scorer(
                fitted.layer,
                fitted.folds,
                FeatureCache(reader, evening.path, fitted.adapter),
                evening.path,
                _as_scoring_reads_it(pictures, fitted, evening),
            ),
            threads=reader.threads,
            seed=settings.seed,
            progress=progress,
        )
    progress(Progress("measuring", 0, 1, history=fitted.history))
    judged = pictures.labels[fitted.held_out]
    metrics = measure(fitted.held_out_scores, judged, pictures.groups[fitted.held_out], settings.seed)
    leaks = LeakReport(audit, evening.mode, evening.families, same_picture)
    card = {
        "metrics": {**metrics.to_json(), "held_out": fitted.protocol, "n": len(fitted.held_out)},
        "thresholds": _thresholds(fitted.held_out_scores, judged),
        "chosen_head": fitted.candidate,
        "leak_audit": leaks.to_json(),
        "provenance": provenance(
            pictures,
            {**asdict(settings), "backbone": backbone.spec.name},
            next(backbone.parameters()).device.type,
        ),
    }
    model = RewardModel(
        backbone,
        readout,
        fitted.layer,
        fitted.calibration,
        card=card,
        adapter=fitted.adapter,
        name=name,
        pixel_path=evening.path,
    )
    progress(Progress("measuring", 1, 1, history=fitted.history))
    finished = time.perf_counter()
    _log.info(
        "trained %s in %.1f s: head %s, held-out AUC %s",
        name,
        finished - started,
        fitted.candidate,
        metrics.auc,
    )
    n_liked = int(pictures.labels.sum())
    return TrainingResult(
        model=model,
        metrics=metrics,
        held_out_paths=[pictures.paths[i] for i in fitted.held_out],
        held_out_labels=judged,
        held_out_scores=fitted.held_out_scores,
        history=fitted.history,
        skipped=pictures.skipped,
        warnings=[*_warnings(pictures, files, metrics), *leaks.warnings()],
        leaks=leaks,
        known=_known(pictures, audit, settings, fitted),
        seconds={
            "audit": audited - loaded + finished - fit_done,
            "features": loaded - started + features_done - audited,
            "fit": fit_done - features_done,
            "total": finished - started,
        },
        n_liked=n_liked,
        n_ordinary=len(pictures.labels) - n_liked,
    )


def _loader(search_folders: Sequence[Path], device: torch.device | str) -> Callable[[str], Backbone]:
    return lambda name: load_backbone(name, search_folders=search_folders).to(device)


def _gpus() -> list[int]:
    """Seeding reaches every GPU's generator, so every one is put back afterwards."""
    return list(range(torch.cuda.device_count()))


def _readout(settings: TrainingSettings, backbone: Backbone) -> Readout:
    if settings.preset == "paper":
        return embedding_readout(backbone.spec)
    # Through a second look the adapters' gradients would cost more time and memory.
    return default_readout(backbone.spec, "none" if settings.adapt == "lora" else settings.second_look)


def _fit(
    settings: TrainingSettings,
    backbone: Backbone,
    readout: Readout,
    pictures: CachedPictures,
    progress: ProgressCallback,
) -> FittedHead:
    groups = pictures.groups
    if settings.adapt == "lora":
        return fit_with_lora(backbone, readout, pictures, seed=settings.seed, progress=progress)
    rows = Rows(pictures.features, torch.from_numpy(pictures.labels).float())
    if settings.preset == "paper":
        return fit_paper(rows, groups, seed=settings.seed, progress=progress)
    return fit_default(
        rows,
        groups,
        readout.blocks(backbone.spec),
        nuisances=pictures.nuisances,
        seed=settings.seed,
        progress=progress,
    )


def _known(
    pictures: CachedPictures,
    audit: Audit,
    settings: TrainingSettings,
    fitted: FittedHead,
) -> FeatureArchive:
    known = FeatureArchive.of(pictures, audit, settings.neutralise)
    if fitted.adapter is None or pictures.states is None:
        return known
    # The backbone is another one by now.
    return replace(known, features=pictures.states.all_features(pictures.features), nuisances=[])


def _as_scoring_reads_it(
    pictures: CachedPictures, fitted: FittedHead, evening: Neutraliser
) -> Callable[[int], Tensor | None]:
    """Gives the features [1, width] of a picture judged, where nothing was done to it, its file or the backbone."""

    def original(position: int) -> Tensor | None:
        place = int(fitted.held_out[position])
        changed = evening.nuisances or fitted.adapter
        if changed or content_hash(pictures.paths[place]) != pictures.hashes[place]:
            return None
        return pictures.features[place, :1]

    return original


def _thresholds(scores: FloatArray, labels: IntArray) -> dict[str, float]:
    return {
        "balanced": best_balanced_threshold(scores, labels),
        "fpr_5": false_positive_threshold(scores, labels, rate=0.05),
    }


def _warnings(pictures: CachedPictures, files: TrainingFiles, metrics: SummaryMetrics) -> list[str]:
    groups = pictures.groups
    warnings = list(files.warnings)
    if pictures.skipped:
        warnings.append(describe_skipped(pictures.skipped, among=pictures.paths))
    for name, label in (("liked", 1), ("ordinary", 0)):
        count = int((pictures.labels == label).sum())
        if count < _FEW:
            warnings.append(
                f"Only {count} {name} pictures: expect a rough model. {_FEW} or more of each are better, "
                "a few hundred are good."
            )
    both = set(groups[pictures.labels == 1]) & set(groups[pictures.labels == 0])
    if both:
        first = next(i for i, group in enumerate(groups) if group in both)
        other = next(
            i
            for i, g in enumerate(groups)
            if g == groups[first] and pictures.labels[i] != pictures.labels[first]
        )
        names = short_names([pictures.paths[first], pictures.paths[other]], pictures.paths)
        how_many = "1 picture looks" if len(both) == 1 else f"{len(both)} pictures look"
        warnings.append(
            f"{how_many} nearly the same in both sets (such as {shown(names[0])} and {shown(names[1])}). They are kept, "
            "and kept together in every split."
        )
    if metrics.auc.value >= _SUSPICIOUS_AUC:
        warnings.append(
            f"The held-out AUC is {metrics.auc.value:.3f}, which is too good to be taste alone in most cases: "
            "the sets may differ in file format, size or compression. Bring both to one format and size "
            "to be sure."
        )
    return warnings


__all__ = ["LEAST_PER_CLASS", "METHOD", "TrainingResult", "TrainingSettings", "train", "train_on_files"]
