"""Rank-Based Bootstrapping: self-training of a reward model on unlabelled images (the pool)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from comfy_api.latest import io

from ...ganrm_core.reports.compact_card import compact_card
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.rewards.discriminator.card_fields import finite_number, section
from ...ganrm_core.training.feature_archive import archive_path
from ...ganrm_core.training.phase_durations import refining_phases
from ...ganrm_core.training.self_training.card import bootstrap_card
from ...ganrm_core.training.self_training.known_pictures import Sources
from ...ganrm_core.training.self_training.messages import pool_line, round_facts, round_lines, verdict
from ...ganrm_core.training.self_training.refinement import Refinement, refine
from ...ganrm_core.training.self_training.rounds import BootstrapSettings
from ...ganrm_core.utils.errors import CheckpointError, DataError
from ..display.messages import threshold_sentence, warning_lines
from ..display.previews import as_image, in_node, live_card
from ..display.queue_checks import NOT_CONNECTED
from ..host import model_files
from ..host.model_management import ManagedReward
from ..host.progress import check_cancel, live_progress, show_last
from ..sockets import CATEGORY, Dataset, GanRMDataset, GanRMReward, Schema, advanced, aliases


class Bootstrap(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMBootstrap",
            display_name="Rank-Based Bootstrapping (GAN-RM)",
            search_aliases=aliases(
                "refine improve self-training taste 自训练",
                "refine a reward model",
                "learn without rating",
            ),
            category=CATEGORY,
            description="Lets a taste learn from its own ranking of many outputs that nobody has rated. A round that "
            "does not help on pictures held out of it is not kept, so often the taste stays as it was.",
            is_output_node=True,
            inputs=[
                GanRMReward.Input("reward", tooltip="The taste to refine: from Train GAN-RM or Load GAN-RM."),
                GanRMDataset.Input(
                    "pool",
                    tooltip="Many outputs of your generator, unsorted: a hundred or more. None of them should be in "
                    "the liked or ordinary pictures; those that are get left out.",
                ),
                GanRMDataset.Input(
                    "liked",
                    optional=True,
                    tooltip="The liked pictures the taste was trained on. Not needed for a loaded model with its "
                    ".features file beside it.",
                ),
                GanRMDataset.Input(
                    "ordinary",
                    optional=True,
                    tooltip="The ordinary pictures the taste was trained on. Connect both or neither.",
                ),
                io.Int.Input(
                    "rounds",
                    default=3,
                    min=1,
                    max=20,
                    tooltip="At most so many; the first that does not help ends it.",
                ),
                io.Boolean.Input(
                    "bottom_only",
                    display_name="bottom only",
                    default=False,
                    tooltip="Learn only what to avoid: no generated picture then counts as liked.",
                ),
                advanced(
                    io.Int.Input(
                        "top",
                        default=0,
                        min=0,
                        max=100_000,
                        tooltip="How many of the best count as liked, the further down the less. 0: a tenth of the "
                        "pool, but no more than the smaller training set.",
                    )
                ),
                advanced(
                    io.Int.Input(
                        "bottom",
                        default=0,
                        min=0,
                        max=100_000,
                        tooltip="How many of the last count as ordinary. 0: as for top.",
                    )
                ),
                advanced(
                    io.Float.Input(
                        "alpha",
                        default=0.0,
                        min=0.0,
                        max=10.0,
                        step=0.001,
                        tooltip="How fast the best count less by rank r: exp(−alpha · r). 0: the last of them counts "
                        "half.",
                    )
                ),
            ],
            outputs=[
                GanRMReward.Output(
                    "refined",
                    display_name="reward",
                    tooltip="The refined taste; the very one that came in where refining did not help.",
                ),
                io.Image.Output(
                    "report",
                    display_name="report",
                    tooltip="What each round gained, and which pictures of the pool were taken for what. Connect "
                    "Preview Image to see all of it.",
                ),
                io.String.Output("summary", display_name="summary", tooltip="The report in words."),
            ],
        )

    @classmethod
    def validate_inputs(cls, liked: object = NOT_CONNECTED, ordinary: object = NOT_CONNECTED) -> bool:
        missing = [name for name, link in (("liked", liked), ("ordinary", ordinary)) if link is NOT_CONNECTED]
        if len(missing) == 1:
            raise _pictures_missing(missing)
        return True

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        reward: Reward,
        pool: Dataset,
        rounds: int,
        bottom_only: bool,
        top: int,
        bottom: int,
        alpha: float,
        liked: Dataset | None = None,
        ordinary: Dataset | None = None,
    ) -> io.NodeOutput:
        if not isinstance(reward, ManagedReward):
            raise DataError(
                "Only a reward model itself can be refined: connect the reward of Train GAN-RM or Load GAN-RM, and "
                "combine it with others afterwards."
            )
        settings = BootstrapSettings(rounds, top or None, bottom or None, alpha or None, bottom_only)
        checkpoint = None if liked and ordinary else _checkpoint(reward.name)
        _check_sources(liked, ordinary, checkpoint)
        reward.managed_backbone.load(len(pool))
        known = [dataset for dataset in (liked, ordinary) if dataset]
        phases = refining_phases(len(pool), sum(map(len, known)), _views(reward), rounds)
        with live_progress(live_card, phases) as show:
            result = refine(
                reward.model,
                Sources(pool.paths, liked or None, ordinary or None, checkpoint),
                settings=settings,
                progress=show,
            )
            check_cancel()
            card = bootstrap_card(result)
            short = compact_card(
                result.model.name, verdict(result), facts=round_facts(result), warnings=result.warnings
            )
        show_last(short)
        summary = _summary(result)
        shown = in_node(
            short,
            summary=[summary],
            improved=[result.improved],
            auc=[result.outcome.auc, *(entry.auc for entry in result.outcome.rounds)],
            rounds_kept=[result.outcome.kept],
        )
        refined = ManagedReward(result.model, reward.managed_backbone) if result.improved else reward
        return io.NodeOutput(refined, as_image(card), summary, ui=shown)


def _views(reward: ManagedReward) -> int:
    """Views per image, for the progress bar; a guess if the model's card does not say."""
    settings = section(section(reward.model.card, "provenance"), "settings")
    views = finite_number(settings.get("views"))
    return 1 if settings.get("preset") == "paper" else int(views or 4)


def _checkpoint(name: str) -> Path | None:
    """The model file that a reward of this name was loaded from, if it has a feature archive; else None."""
    try:
        path = model_files.model_path(f"{name}.safetensors")
    except CheckpointError:  # trained just now
        return None
    return path if archive_path(path).is_file() else None


def _check_sources(liked: Dataset | None, ordinary: Dataset | None, checkpoint: Path | None) -> None:
    """Raise DataError for missing training images; the library's own message speaks of command-line options."""
    if (liked is None) != (ordinary is None) or (liked is None and checkpoint is None):
        raise _pictures_missing(
            [name for name, given in (("liked", liked), ("ordinary", ordinary)) if given is None]
        )


def _pictures_missing(kinds: Sequence[str]) -> DataError:
    file = "" if len(kinds) == 1 else " (Or load a model that has its .features.safetensors file beside it.)"
    return DataError(
        f"Refining takes the pictures the taste was trained on, too: connect the same {' and '.join(kinds)} "
        f"pictures that Train GAN-RM had.{file}"
    )


def _summary(result: Refinement) -> str:
    lines = [
        f"{result.model.name}: {verdict(result)}",
        *round_lines(result),
        pool_line(result),
        threshold_sentence(result.model.thresholds) if result.improved else "",
        *warning_lines(result.warnings),
        "Connect Save GAN-RM to keep it in models/ganrm." if result.improved else "",
    ]
    return "\n".join(line for line in lines if line)
