"""Refining a trained model with a pool of generator outputs, nobody rating any of them."""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...data.content_hash import fingerprint
from ...data.labelled_files import Source
from ...data.skipped_files import Skipped, describe_skipped
from ...data.splits import IntArray
from ...leakage.invariance_test import measure_invariance
from ...leakage.report import LeakReport
from ...metrics.binary import best_balanced_threshold, false_positive_threshold
from ...metrics.summary import SummaryMetrics, measure
from ...rewards.discriminator.feature_cache import FeatureCache
from ...rewards.discriminator.model_parts import CalibratedHead
from ...rewards.discriminator.reward_model import RewardModel
from ...utils.errors import DataError
from ...utils.progress import Progress, ProgressCallback, no_progress
from ..feature_archive import FeatureArchive
from ..feature_rows import Rows
from ..held_out_scorer import held_out_scorer
from ..provenance import order_fingerprint
from .head_recipe import recipe_of
from .pool import Known, PoolPictures, known_pictures, origin_of, read_pool
from .rounds import Bootstrapped, BootstrapSettings, Round, bootstrap


@dataclass(frozen=True)
class Refinement:
    """What refining gave.

    `model` is the better one: the very model given where no round was kept. `outcome` says what
    happened round by round, `metrics` are those of a new model. `known` are the pictures of the
    training, of which the features can be kept beside a new model. `alpha` is the decay that was used.
    `skipped`: files of the sets and of the pool that could not be read.
    """

    model: RewardModel
    outcome: Bootstrapped
    metrics: SummaryMetrics | None
    pool: PoolPictures
    known: FeatureArchive
    alpha: float
    warnings: list[str]
    seconds: float
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def improved(self) -> bool:
        return self.outcome.kept > 0

    def picked(self, kind: str) -> list[Path]:
        """Files the last kept round took as "top" or "bottom", most extreme first; of the first if none was."""
        taken: Round = self.outcome.rounds[max(0, self.outcome.kept - 1)]
        return [self.pool.paths[place] for place in getattr(taken, kind)]


def refine(
    model: RewardModel,
    pool: Source,
    *,
    liked: Source | None = None,
    ordinary: Source | None = None,
    checkpoint: Path | None = None,
    settings: BootstrapSettings | None = None,
    recursive: bool = False,
    name: str = "",
    progress: ProgressCallback = no_progress,
) -> Refinement:
    """Let `model` learn from its own ranking of the `pool` (a folder or files), where that helps.

    The pictures it was trained on are needed again: the companion of `checkpoint`, the file `model` was
    loaded from, or `liked` and `ordinary`. The refined model is called `name`, or as before. A LoRA
    adapter stays as it is. `progress` is called often and may raise to cancel. `model` is not changed.

    Raises DataError where pictures are missing or too few, or the model cannot be refined.
    """
    started = time.perf_counter()
    settings = settings or BootstrapSettings()
    origin = origin_of(model)
    # ComfyUI runs nodes in inference mode, where nothing can be trained.
    gpus = list(range(torch.cuda.device_count()))
    with torch.inference_mode(False), torch.random.fork_rng(devices=gpus):
        torch.manual_seed(origin.seed)
        known = known_pictures(
            model, liked, ordinary, checkpoint=checkpoint, recursive=recursive, progress=progress
        )
        _refuse_unjudgeable(model, known)
        pictures = known.pictures
        taken = read_pool(model, pool, pictures, recursive=recursive, progress=progress)
        recipe = recipe_of(
            model.layer.kind,
            str(model.card.get("chosen_head")),
            model.reader.readout.blocks(model.backbone.spec),
            pictures.nuisances,
            seed=origin.seed,
        )
        outcome = bootstrap(
            Rows(pictures.features, torch.from_numpy(pictures.labels).float()),
            pictures.groups,
            taken.features,
            recipe,
            settings,
            start=model.layer,
            siblings_fit=known.in_order,
            adapted=model.adapter is not None,
            seed=origin.seed,
            progress=progress,
        )
    refined, metrics, leaks = model, None, None
    if outcome.layer is not None:
        progress(Progress("measuring", 0, 1, history=outcome.history))
        metrics = measure(
            outcome.held_out_scores,
            pictures.labels[outcome.held_out],
            pictures.groups[outcome.held_out],
            origin.seed,
        )
        leaks = _leaks(model, pictures, outcome, origin.seed, progress)
        card = _card(model, known, taken, outcome, metrics, settings, leaks)
        refined = RewardModel(
            model.backbone,
            CalibratedHead(model.reader.readout, outcome.layer, outcome.calibration),
            card=card,
            adapter=model.adapter,
            name=name or model.name,
            border_trim=model.border_trim,
        )
    progress(Progress("measuring", 1, 1, history=outcome.history))
    gone = describe_skipped(taken.skipped, among=taken.paths)
    warnings = [*known.warnings, *taken.warnings, *filter(None, [gone])]
    if leaks and leaks.same_picture.word != "clean":
        warnings.append(leaks.invariance_summary())
    return Refinement(
        model=refined,
        outcome=outcome,
        metrics=metrics,
        pool=taken,
        known=pictures,
        alpha=settings.decay(len(outcome.rounds[0].top)),
        warnings=warnings,
        seconds=time.perf_counter() - started,
        skipped=[*known.skipped, *taken.skipped],
    )


def _refuse_unjudgeable(model: RewardModel, known: Known) -> None:
    """Raise DataError where pictures the model learned from could not be told from the others."""
    before = (model.card.get("provenance") or {}).get("bootstrapping")
    why = (
        "carries a LoRA adapter, which has seen most of the pictures"
        if model.adapter is not None
        else "was refined before, and its heads learned from a pool"
    )
    if (before or model.adapter is not None) and not known.in_order:
        raise DataError(
            f"The model {model.name!r} {why}: only with the very pictures of its training, under their old names, or "
            "with its companion file can it be judged on what it has not seen. Give those, or train a model anew and "
            "refine that with one larger pool."
        )


def _leaks(
    model: RewardModel, pictures: FeatureArchive, outcome: Bootstrapped, seed: int, progress: ProgressCallback
) -> LeakReport | None:
    """The same-picture test of the new heads; None without files to test them on.

    What was found of the old head need not hold for the new one.
    """
    layer = outcome.layer
    if layer is None or not pictures.paths:
        return None
    store = FeatureCache(model.reader, model.border_trim, model.adapter)
    tested = measure_invariance(
        [pictures.paths[place] for place in outcome.held_out],
        pictures.labels[outcome.held_out],
        held_out_scorer(layer, outcome.folds, store, model.border_trim),
        threads=model.reader.threads,
        seed=seed,
        progress=progress,
    )
    return LeakReport(pictures.audit, pictures.mode, pictures.neutraliser.families, tested)


def _card(
    model: RewardModel,
    known: Known,
    pool: PoolPictures,
    outcome: Bootstrapped,
    metrics: SummaryMetrics,
    settings: BootstrapSettings,
    leaks: LeakReport | None,
) -> dict[str, Any]:
    labels: IntArray = known.pictures.labels[outcome.held_out]
    scores = outcome.held_out_scores
    made = dict(model.card.get("provenance") or {})
    if not known.same:
        by_label = {
            kind: [h for h, y in zip(known.pictures.hashes, known.pictures.labels, strict=True) if y == label]
            for kind, label in (("liked", 1), ("ordinary", 0))
        }
        made |= {f"n_{kind}": len(hashes) for kind, hashes in by_label.items()}
        made |= {f"{kind}_fingerprint": fingerprint(hashes) for kind, hashes in by_label.items()}
        made |= {"n_skipped": len(known.skipped)}
    if not known.in_order:
        # The heads of the folds are new, and so is the order that tells the folds.
        made["order_fingerprint"] = order_fingerprint(known.pictures.hashes)
    made["bootstrapping"] = [*(made.get("bootstrapping") or []), _history(pool, outcome, settings)]
    return {
        **model.card,
        "metrics": {**metrics.to_json(), "held_out": outcome.protocol, "n": len(outcome.held_out)},
        "thresholds": {
            "balanced": best_balanced_threshold(scores, labels),
            "fpr_5": false_positive_threshold(scores, labels, rate=0.05),
        },
        "leak_audit": leaks.to_json() if leaks else None,
        "provenance": made,
    }


def _history(pool: PoolPictures, outcome: Bootstrapped, settings: BootstrapSettings) -> dict[str, Any]:
    kept: Round = outcome.rounds[outcome.kept - 1]
    return {
        "rounds": [
            {"auc": r.auc, "loss": r.loss, "auc_gain": r.gain.to_json(), "kept": r.kept}
            for r in outcome.rounds
        ],
        "auc_before": outcome.auc,
        "loss_before": outcome.loss,
        "top": len(kept.top),
        "bottom": len(kept.bottom),
        "alpha": settings.decay(len(kept.top)) if len(kept.top) else None,
        "n_pool": len(pool.paths),
        "n_left_out": pool.n_known,
        "n_skipped": len(pool.skipped),
        "pool_fingerprint": fingerprint(pool.hashes),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
