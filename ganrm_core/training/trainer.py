"""Training a reward model from two sets of pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..backbones.base import Backbone
from ..backbones.registry import load_backbone
from ..backbones.vit_trunk import Trunk
from ..data.content_hash import content_hash
from ..data.labelled_files import Source, TrainingFiles, find_training_files
from ..data.skipped_files import Skipped
from ..data.splits import IntArray
from ..leakage.audit.audit import Audit
from ..leakage.invariance_test import InvarianceTest, measure_invariance
from ..leakage.neutralisation import Neutraliser, make_neutraliser
from ..leakage.report import LeakReport
from ..metrics.binary import FloatArray
from ..metrics.summary import SummaryMetrics, measure
from ..rewards.discriminator.feature_cache import FeatureCache
from ..rewards.discriminator.feature_extractor import FeatureExtractor
from ..rewards.discriminator.model_parts import CalibratedHead
from ..rewards.discriminator.readout import Readout, default_readout, embedding_readout
from ..rewards.discriminator.reward_model import RewardModel
from ..utils.logs import logger_of
from ..utils.progress import History, Progress, ProgressCallback, no_progress
from .config import TrainingSettings
from .cross_validation import FitOptions, FittedHead, fit_default, fit_paper
from .dataset_scan import DatasetScan, scan_dataset
from .dataset_warnings import dataset_warnings
from .feature_archive import FeatureArchive
from .feature_extraction import DatasetFeatures, Extraction, Views, collect_features
from .head_config import CARD_KEY
from .held_out_scorer import held_out_scorer
from .lora import fit_with_lora, trunk_of
from .model_card import held_out_sections
from .picture_passes import PicturePasses
from .picture_table import PictureTable
from .provenance import provenance
from .run_context import Durations, training_context
from .trunk_states import TrunkStates

_log = logger_of(__name__)

METHOD = 11
"""Raised whenever the same pictures and settings would no longer give the same model."""


@dataclass(frozen=True)
class TrainingResult:
    """A trained model with its held-out scores, warnings and durations.

    `held_out_paths`, `held_out_labels` and `held_out_scores` run parallel: scores of pictures by models that had not
    seen them. `history` is the curve of the fit. `warnings` begin with those of the files themselves. `known` is what
    a later refinement starts from, None where the result was cached by an earlier run. `seconds` has `audit` (of the
    files before, and of the model after), `features` (decoding pictures and running the backbone), `fit` and
    `total`, which is their sum.
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
    passes: PicturePasses | None = None,
    progress: ProgressCallback = no_progress,
    name: str = "untitled",
) -> TrainingResult:
    """Train a reward model to tell `liked` from `ordinary` pictures.

    Both are folders or lists of files. The backbone reads a few augmented views of every picture, once; heads are
    fitted to the features, chosen and calibrated by cross-validation in which near-duplicates stay together. A host
    that manages device memory itself gives `load`, which takes the backbone's name and returns it on its device;
    `device` and `search_folders` are then ignored. `passes` has the files read elsewhere, such as on a cluster. `progress`
    is called often and may raise to cancel.

    Raises DataError where the sets cannot be trained on (missing, fewer than 10 pictures, shared
    pictures) and BackboneError where the backbone cannot be loaded. Unreadable files are skipped and
    listed in the result.
    """
    files = find_training_files(liked, ordinary, recursive=recursive, progress=progress)
    return train_on_files(
        files,
        settings or TrainingSettings(),
        load=load or _loader(search_folders, device),
        passes=passes,
        progress=progress,
        name=name,
    )


def train_on_files(
    files: TrainingFiles,
    settings: TrainingSettings,
    *,
    load: Callable[[str], Backbone],
    passes: PicturePasses | None = None,
    progress: ProgressCallback = no_progress,
    name: str = "untitled",
) -> TrainingResult:
    """As `train`, on files that `find_training_files` has already checked."""
    durations = Durations()
    with training_context(settings.seed):
        run = _run(files, settings, load, durations, progress, passes)
        invariance = run.invariance(progress)
    fitted, judged = run.fitted, run.judged
    progress(Progress("measuring", 0, 1, history=fitted.history))
    metrics = measure(fitted.held_out_scores, judged.labels, judged.groups, settings.seed)
    leaks = LeakReport(run.audit, run.remedy.mode, run.remedy.families, invariance)
    model = run.model(metrics, leaks, name)
    progress(Progress("measuring", 1, 1, history=fitted.history))
    durations.lap("audit")
    _log.info(
        "trained %s in %.1f s: head %s, held-out AUC %s", name, durations.total, fitted.candidate, metrics.auc
    )
    table, skipped = run.dataset.table, run.dataset.skipped
    n_liked = int(table.labels.sum())
    return TrainingResult(
        model=model,
        metrics=metrics,
        held_out_paths=judged.paths,
        held_out_labels=judged.labels,
        held_out_scores=fitted.held_out_scores,
        history=fitted.history,
        skipped=skipped,
        warnings=[*files.warnings, *dataset_warnings(table, skipped, metrics), *leaks.warnings()],
        leaks=leaks,
        known=run.archive(),
        seconds={**durations.seconds, "total": durations.total},
        n_liked=n_liked,
        n_ordinary=len(table) - n_liked,
    )


def _loader(search_folders: Sequence[Path], device: torch.device | str) -> Callable[[str], Backbone]:
    return lambda name: load_backbone(name, search_folders=search_folders).to(device)


def _run(
    files: TrainingFiles,
    settings: TrainingSettings,
    load: Callable[[str], Backbone],
    durations: Durations,
    progress: ProgressCallback,
    passes: PicturePasses | None,
) -> _Run:
    """Scan, audit, neutralise, extract features, fit."""
    # The backbone first of all, since it may be absent or not adaptable.
    backbone = load(settings.backbone)
    trunk = trunk_of(backbone) if settings.adapt == "lora" else None
    durations.lap("features")
    scan = scan_dataset(files, progress=progress, read=passes.records if passes else None)
    audit = scan.audit(seed=settings.seed, progress=progress)
    remedy = make_neutraliser(settings.neutralise, audit, scan.table.file_stats, scan.table.labels)
    durations.lap("audit")
    work = extraction_of(settings, backbone, scan, remedy, trunk)
    dataset = collect_features(work, progress=progress, read=passes.features if passes else None)
    durations.lap("features")
    fitted = _fit(settings, work.reader, dataset, progress)
    durations.lap("fit")
    return _Run(settings, work.reader, audit, remedy, dataset, fitted)


def extraction_of(
    settings: TrainingSettings,
    backbone: Backbone,
    scan: DatasetScan,
    neutraliser: Neutraliser,
    trunk: Trunk | None = None,
) -> Extraction:
    """The feature pass of a training with these settings; `trunk`: the frozen part of a backbone to adapt."""
    reader = FeatureExtractor(backbone, _readout(settings, backbone))
    views = Views(1 if settings.preset == "paper" else settings.views, settings.seed)
    states = TrunkStates(reader, trunk) if trunk else None
    return Extraction(scan, reader, neutraliser, views, states)


def _readout(settings: TrainingSettings, backbone: Backbone) -> Readout:
    if settings.preset == "paper":
        return embedding_readout(backbone.spec)
    # Through a second look the adapters' gradients would cost more time and memory.
    return default_readout(backbone.spec, "none" if settings.adapt == "lora" else settings.second_look)


def _fit(
    settings: TrainingSettings, reader: FeatureExtractor, dataset: DatasetFeatures, progress: ProgressCallback
) -> FittedHead:
    rows, groups, backbone = dataset.rows(), dataset.table.groups, reader.backbone
    if settings.preset == "paper":
        return fit_paper(rows, groups, seed=settings.seed, progress=progress)
    blocks, options = reader.readout.blocks(backbone.spec), FitOptions(dataset.nuisances)
    frozen = fit_default(rows, groups, blocks, seed=settings.seed, progress=progress, options=options)
    if settings.adapt == "none":
        return frozen
    return fit_with_lora(backbone, reader.readout, dataset, frozen, seed=settings.seed, progress=progress)


@dataclass(frozen=True)
class _Run:
    """A fitted head and all it was fitted with."""

    settings: TrainingSettings
    reader: FeatureExtractor
    audit: Audit
    remedy: Neutraliser
    dataset: DatasetFeatures
    fitted: FittedHead

    @property
    def judged(self) -> PictureTable:
        """The held-out pictures."""
        return self.dataset.table.take(self.fitted.held_out)

    def invariance(self, progress: ProgressCallback) -> InvarianceTest:
        """The same-picture test, on held-out pictures by heads that have not seen them."""
        fitted, border, judged = self.fitted, self.remedy.border_trim, self.judged
        cache = FeatureCache(self.reader, border, fitted.adapter)
        scorer = held_out_scorer(fitted.layer, fitted.folds, cache, border, self._plain_features)
        return measure_invariance(
            judged.paths,
            judged.labels,
            scorer,
            threads=self.reader.threads,
            seed=self.settings.seed,
            progress=progress,
        )

    def _plain_features(self, position: int) -> Tensor | None:
        """Features [1, D] of a held-out picture as scoring reads it; None where it, its file or the backbone changed."""
        row, table = int(self.fitted.held_out[position]), self.dataset.table
        changed = self.remedy.nuisances or self.fitted.adapter
        if changed or content_hash(table.paths[row]) != table.hashes[row]:
            return None
        return self.dataset.features[row, :1]

    def model(self, metrics: SummaryMetrics, leaks: LeakReport, name: str) -> RewardModel:
        fitted, backbone = self.fitted, self.reader.backbone
        card = {
            **held_out_sections(metrics, fitted.protocol, fitted.held_out_scores, self.judged.labels),
            "chosen_head": fitted.candidate,
            CARD_KEY: fitted.config.to_json(),
            "leak_audit": leaks.to_json(),
            "provenance": provenance(
                self.dataset.table,
                {**asdict(self.settings), "backbone": backbone.spec.name},
                skipped=len(self.dataset.skipped),
                device_type=self.reader.device.type,
            ),
        }
        return RewardModel(
            backbone,
            CalibratedHead(self.reader.readout, fitted.layer, fitted.calibration),
            card=card,
            adapter=fitted.adapter,
            name=name,
            border_trim=self.remedy.border_trim,
        )

    def archive(self) -> FeatureArchive:
        dataset, nuisances = self.dataset, self.dataset.nuisances
        features = dataset.features
        if self.fitted.adapter and dataset.states:  # which changed the backbone
            features, nuisances = dataset.states.all_features(features), []
        return FeatureArchive(dataset.table, features, nuisances, self.audit, self.settings.neutralise)
