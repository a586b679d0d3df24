"""Refining a trained reward model by self-training on a pool of unlabelled generator outputs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...data.content_hash import fingerprint
from ...data.skipped_files import Skipped, describe_skipped
from ...leakage.invariance_test import measure_invariance
from ...leakage.report import LeakReport
from ...metrics.summary import SummaryMetrics, measure
from ...rewards.discriminator.feature_cache import FeatureCache
from ...rewards.discriminator.model_parts import CalibratedHead
from ...rewards.discriminator.reward_model import RewardModel
from ...utils.errors import DataError
from ...utils.progress import Progress, ProgressCallback, no_progress
from ..feature_archive import FeatureArchive
from ..head_config import CARD_KEY, HeadConfig
from ..held_out_scorer import held_out_scorer
from ..model_card import held_out_sections
from ..provenance import order_fingerprint, set_fingerprints, timestamp
from ..run_context import training_context
from .fold_chains import StartingPoint
from .head_recipe import HeadRecipe
from .known_pictures import KnownPictures, Sources, known_pictures, origin_of
from .pool import PoolPictures, read_pool
from .rounds import Bootstrapped, BootstrapSettings, Round, bootstrap


@dataclass(frozen=True)
class Refinement:
    """The refined model and its rounds.

    `model`: the one given where no round was kept. `metrics`: of a new model, else None. `known`: the training
    pictures, for a feature archive beside a new model. `alpha`: the decay that was used. `skipped`: files of the sets
    and of the pool that could not be read.
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
    sources: Sources,
    *,
    settings: BootstrapSettings | None = None,
    name: str = "",
    progress: ProgressCallback = no_progress,
) -> Refinement:
    """Let `model` learn from its own ranking of the pool, where that helps.

    The refined model is called `name`, or as before. A LoRA adapter stays as it is. `progress` is called often and
    may raise to cancel. `model` is not changed. Raises DataError where pictures are missing or too few, or the model
    cannot be refined.
    """
    started = time.perf_counter()
    settings = settings or BootstrapSettings()
    seed = origin_of(model).views.seed
    with training_context(seed):
        known = known_pictures(model, sources, progress)
        _refuse_unjudgeable(model, known)
        archive = known.archive
        pool = read_pool(model, sources.pool, sources.recursive, archive, progress)
        blocks = model.reader.readout.blocks(model.backbone.spec)
        config = HeadConfig.from_card(model.card, model.layer.kind)
        recipe = HeadRecipe(config, blocks, seed, archive.nuisances)
        adapted = model.adapter is not None
        start = StartingPoint(archive.rows(), archive.table.groups, model.layer, known.in_order, adapted)
        outcome = bootstrap(start, pool.features, recipe, settings, progress=progress)
    run = _Run(model, known, pool, recipe, settings, outcome)
    refined, metrics, leaks = run.refined(name or model.name, progress)
    progress(Progress("measuring", 1, 1, history=outcome.history))
    gone = describe_skipped(pool.skipped, among=pool.paths)
    warnings = [*known.warnings, *pool.warnings, *filter(None, [gone])]
    if leaks and leaks.same_picture.word != "clean":
        warnings.append(leaks.invariance_summary())
    return Refinement(
        model=refined,
        outcome=outcome,
        metrics=metrics,
        pool=pool,
        known=archive,
        alpha=settings.decay(len(outcome.rounds[0].top)),
        warnings=warnings,
        seconds=time.perf_counter() - started,
        skipped=[*known.skipped, *pool.skipped],
    )


def _refuse_unjudgeable(model: RewardModel, known: KnownPictures) -> None:
    """Raise DataError where the pictures that the model has not seen cannot be identified."""
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


@dataclass(frozen=True)
class _Run:
    """A finished bootstrapping and all it was run with."""

    model: RewardModel
    known: KnownPictures
    pool: PoolPictures
    recipe: HeadRecipe
    settings: BootstrapSettings
    outcome: Bootstrapped

    def refined(
        self, name: str, progress: ProgressCallback
    ) -> tuple[RewardModel, SummaryMetrics | None, LeakReport | None]:
        """The new model with its metrics and leak report; the model given where no round was kept."""
        model, outcome = self.model, self.outcome
        if outcome.layer is None:
            return model, None, None
        progress(Progress("measuring", 0, 1, history=outcome.history))
        judged = self.known.archive.table.take(outcome.held_out)
        metrics = measure(outcome.held_out_scores, judged.labels, judged.groups, self.recipe.seed)
        leaks = self._leaks(progress)
        card = {
            **model.card,
            **held_out_sections(metrics, outcome.protocol, outcome.held_out_scores, judged.labels),
            CARD_KEY: self.recipe.config.to_json(),
            "leak_audit": leaks.to_json() if leaks else None,
            "provenance": self._provenance(),
        }
        refined = RewardModel(
            model.backbone,
            CalibratedHead(model.reader.readout, outcome.layer, outcome.calibration),
            card=card,
            adapter=model.adapter,
            name=name,
            border_trim=model.border_trim,
        )
        return refined, metrics, leaks

    def _leaks(self, progress: ProgressCallback) -> LeakReport | None:
        """Leak report with an invariance test of the new heads; None without files to test them on.

        The old head's result need not hold for the new one.
        """
        model, outcome, archive = self.model, self.outcome, self.known.archive
        if outcome.layer is None or not archive.table.paths:
            return None
        judged = archive.table.take(outcome.held_out)
        cache = FeatureCache(model.reader, model.border_trim, model.adapter)
        tested = measure_invariance(
            judged.paths,
            judged.labels,
            held_out_scorer(outcome.layer, outcome.folds, cache, model.border_trim),
            threads=model.reader.threads,
            seed=self.recipe.seed,
            progress=progress,
        )
        return LeakReport(archive.audit, archive.mode, archive.neutraliser.families, tested)

    def _provenance(self) -> dict[str, Any]:
        table = self.known.archive.table
        made = dict(self.model.card.get("provenance") or {})
        if not self.known.same:
            made |= set_fingerprints(table, len(self.known.skipped))
        if not self.known.in_order:
            # The heads of the folds are new, and so is the order that decides the folds.
            made["order_fingerprint"] = order_fingerprint(table.hashes)
        entry = _history(self.pool, self.outcome, self.settings)
        made["bootstrapping"] = [*(made.get("bootstrapping") or []), entry]
        return made


def _history(pool: PoolPictures, outcome: Bootstrapped, settings: BootstrapSettings) -> dict[str, Any]:
    """Entry of the provenance for this refinement."""
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
        "date": timestamp(),
    }
