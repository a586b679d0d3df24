"""Evaluate GAN-RM: metrics and report card of a reward on liked and ordinary images it was not trained on."""

from __future__ import annotations

import json
from collections.abc import Sequence

from comfy_api.latest import io

from ...ganrm_core.data.content_hash import fingerprint
from ...ganrm_core.data.labelled_files import TrainingFiles, find_training_files
from ...ganrm_core.data.skipped_files import describe_skipped
from ...ganrm_core.reports.compact_card import compact_card
from ...ganrm_core.reports.image_report import image_report
from ...ganrm_core.reports.messages import all_facts, lead
from ...ganrm_core.reports.report_data import ReportData
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.rewards.evaluation import Evaluation, evaluate
from ...ganrm_core.training.phase_durations import evaluation_phases
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.strict_json import strict_json
from ..display.messages import warning_lines
from ..display.previews import as_image, in_node
from ..host.model_management import ManagedReward
from ..host.progress import check_cancel, progress_bar
from ..sockets import CATEGORY, Dataset, GanRMDataset, GanRMReward, Schema, aliases


class Evaluate(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMEvaluate",
            display_name="Evaluate GAN-RM",
            search_aliases=aliases(
                "compare test evaluate accuracy judge metrics auc 对比 评估",
                "test a reward model",
            ),
            category=CATEGORY,
            description="Measures how well a reward tells liked pictures from ordinary ones. Give pictures it was "
            "not trained on: only those show what it is worth.",
            is_output_node=True,
            inputs=[
                GanRMReward.Input("reward", tooltip="The taste to test: from Load GAN-RM or Train GAN-RM."),
                GanRMDataset.Input("liked", tooltip="Pictures you like that the model has not seen."),
                GanRMDataset.Input("ordinary", tooltip="Ordinary pictures that the model has not seen."),
            ],
            outputs=[
                io.String.Output(
                    "metrics", display_name="metrics", tooltip="All figures, as JSON for scripts."
                ),
                io.Image.Output(
                    "report",
                    display_name="report",
                    tooltip="The report card: how good the model is here, and its best and worst judgements. Connect "
                    "Preview Image to see all of it.",
                ),
                io.Float.Output(
                    "auc",
                    display_name="AUC",
                    tooltip="How often a liked picture scores higher than an ordinary one: 0.5 is a coin toss, 1 is "
                    "never wrong.",
                ),
                io.String.Output("summary", display_name="summary", tooltip="The report card in words."),
            ],
        )

    @classmethod
    def execute(cls, reward: Reward, liked: Dataset, ordinary: Dataset) -> io.NodeOutput:  # type: ignore[override]
        for dataset, kind in ((liked, "liked"), (ordinary, "ordinary")):
            if not len(dataset):
                raise DataError(
                    f"There are no {kind} pictures to evaluate on. Connect a dataset that holds some."
                )
        show = progress_bar(evaluation_phases(len(liked) + len(ordinary)))
        files = find_training_files(liked, ordinary, least=1, progress=show)
        result = evaluate(reward, files.liked, files.ordinary, progress=show)
        check_cancel()
        seen = _seen_in_training(reward, result, files)
        warnings = [*files.warnings, *_warnings(result, seen)]
        counts = _counts(result)
        title = f"{reward.name}, evaluated"
        named_counts = {f"{kind} pictures": count for kind, count in counts.items()}
        card = image_report(
            ReportData(
                title=title,
                scores=result.scores,
                labels=result.labels,
                paths=result.paths,
                metrics=result.metrics,
                thresholds=reward.thresholds,
                warnings=warnings,
                counts=named_counts,
            )
        )
        short = compact_card(
            title,
            _TOO_GOOD if seen else lead(result.metrics),
            auc=result.metrics.auc,
            facts=all_facts(result.metrics, reward.thresholds, named_counts),
            warnings=warnings,
        )
        metrics = strict_json(
            {
                "reward": reward.name,
                **result.metrics.to_json(),
                "thresholds": dict(reward.thresholds),
                **{f"n_{kind}": count for kind, count in counts.items()},
                "n_skipped": len(result.skipped),
                "warnings": warnings,
            }
        )
        auc = result.metrics.auc
        lines = [
            f"{reward.name}: AUC {auc} on {counts['liked']} liked and {counts['ordinary']} ordinary pictures",
            *([] if seen else [lead(result.metrics)]),  # which claims unseen images
            *warning_lines(warnings),
        ]
        summary = "\n".join(lines)
        return io.NodeOutput(
            json.dumps(metrics, allow_nan=False, ensure_ascii=False),
            as_image(card),
            auc.value,
            summary,
            ui=in_node(short, metrics=[metrics], summary=[summary]),
        )


_TOO_GOOD = "On pictures it was trained on, which says little of what it is worth."


def _counts(result: Evaluation) -> dict[str, int]:
    n_liked = int(result.labels.sum())
    return {"liked": n_liked, "ordinary": len(result.labels) - n_liked}


def _warnings(result: Evaluation, seen: Sequence[str]) -> list[str]:
    warnings = [describe_skipped(result.skipped, among=result.paths)] if result.skipped else []
    if seen:
        warnings.append(
            f"The {' and the '.join(seen)} pictures are the very ones this model was trained on, so these figures "
            "are too good. Evaluate on pictures it has not seen."
        )
    if result.metrics.auc.high < 0.5:
        warnings.append(
            "The ordinary pictures score higher than the liked ones. Are the two datasets connected the wrong way "
            "round?"
        )
    return warnings


def _seen_in_training(reward: Reward, result: Evaluation, files: TrainingFiles) -> Sequence[str]:
    """Which whole sets equal the training sets, by fingerprint. A subset cannot be recognised."""
    if not isinstance(reward, ManagedReward):
        return ()
    origin = reward.model.card.get("provenance") or {}
    used = set(result.paths)
    found = []
    for kind, paths, hashes in (
        ("liked", files.liked, files.liked_hashes),
        ("ordinary", files.ordinary, files.ordinary_hashes),
    ):
        same = fingerprint([content for path, content in zip(paths, hashes, strict=True) if path in used])
        if same == origin.get(f"{kind}_fingerprint"):
            found.append(kind)
    return found
