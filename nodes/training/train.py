"""Train GAN-RM: trains a reward model on liked and ordinary images, or returns the cached result."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from PIL import Image

from ...ganrm_core.backbones.base import Backbone
from ...ganrm_core.backbones.registry import DEFAULT_BACKBONE
from ...ganrm_core.data.labelled_files import TrainingFiles, find_training_files
from ...ganrm_core.leakage.neutralisation import MODES, Mode
from ...ganrm_core.reports.compact_card import compact_card
from ...ganrm_core.reports.image_report import image_report
from ...ganrm_core.reports.messages import lead, threshold_facts
from ...ganrm_core.training.config import Adapt, Preset, TrainingSettings
from ...ganrm_core.training.phase_durations import training_phases
from ...ganrm_core.training.report import report_data
from ...ganrm_core.training.trainer import TrainingResult, train_on_files
from ...ganrm_core.utils.errors import TooFewError
from ...ganrm_core.utils.progress import History, ProgressCallback
from ...ganrm_core.utils.time_left import duration
from ..display.empty_outputs import blocked
from ..display.loss_map import plottable
from ..display.messages import threshold_sentence, to_go, warning_lines
from ..display.previews import as_image, in_node, live_card, notice_card
from ..display.queue_checks import known
from ..host import folders
from ..host.execution import run_ready_nodes_first
from ..host.model_management import ManagedBackbone, ManagedReward
from ..host.progress import check_cancel, live_progress, show_last
from ..sockets import CATEGORY, Dataset, GanRMDataset, GanRMReward, Schema, advanced, aliases
from . import backbone_options
from .result_cache import TrainingCache, training_key


class Train(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMTrain",
            display_name="Train GAN-RM",
            search_aliases=aliases(
                "train taste preference favorite favourite aesthetic like learn 品味 审美 偏好",
                "train a reward model",
                "reward model training",
                "personal taste",
                "my style",
                "aesthetic score training",
            ),
            category=CATEGORY,
            description="Learns your taste from pictures you like and ordinary ones. Pictures and settings that have "
            "not changed are never trained on twice, not even after a restart.",
            is_output_node=True,
            inputs=[
                GanRMDataset.Input(
                    "liked",
                    tooltip="Pictures you like: at least 10, better 50, a few hundred are good. With fewer, nothing is "
                    "trained yet and what hangs on this node waits.",
                ),
                GanRMDataset.Input(
                    "ordinary",
                    tooltip="What your generator makes anyway: the more the better, they cost nothing. Of the same size "
                    "and file format as the liked ones, or the model learns that difference instead of your taste.",
                ),
                io.String.Input(
                    "name", default="my_taste", tooltip="What the model is called in reports and summaries."
                ),
                io.Combo.Input(
                    "backbone",
                    options=backbone_options.choices(),
                    default=DEFAULT_BACKBONE,
                    tooltip=backbone_options.tooltip(),
                ),
                io.Combo.Input(
                    "preset",
                    options=["default", "paper"],
                    default="default",
                    tooltip="default: what works best with few pictures. paper: as in the GAN-RM paper, one small "
                    "network on the backbone's embedding.",
                ),
                advanced(
                    io.Combo.Input(
                        "adapt",
                        options=["none", "lora"],
                        default="none",
                        tooltip="lora also trains the last layers of a transformer (file:…, open_clip:…) a little. Slow, "
                        "for a few hundred pictures; kept only if clearly better on pictures it did not learn from.",
                    )
                ),
                advanced(
                    io.Int.Input(
                        "views",
                        default=4,
                        min=1,
                        max=16,
                        tooltip="From how many versions of each picture (cropped, mirrored) is learned. More take "
                        "longer and help when pictures are few.",
                    )
                ),
                advanced(
                    io.Int.Input(
                        "seed",
                        default=0,
                        min=0,
                        max=2**32 - 1,
                        control_after_generate=False,
                        tooltip="The same pictures, settings and seed give the same model.",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "neutralise",
                        options=list(MODES),
                        default="auto",
                        # Workflows made before this widget existed do not send it.
                        optional=True,
                        tooltip="Evens out what tells the two folders apart without being taste. auto: file formats, "
                        "sizes and borders, where they do. full: sharpness and overall colour as well. off: nothing.",
                    )
                ),
            ],
            outputs=[
                GanRMReward.Output(
                    "reward", display_name="reward", tooltip="The trained taste, ready to use."
                ),
                io.LossMap.Output(
                    "loss",
                    display_name="loss",
                    tooltip="The loss over the steps of the fit, for ComfyUI's Plot Loss Graph. Only lora, the paper preset "
                    "and the small network have steps; otherwise this is empty, and what is connected is skipped.",
                ),
                io.Image.Output(
                    "report",
                    display_name="report",
                    tooltip="The report card: how good the model is, and its best and worst judgements. Connect Preview "
                    "Image to see all of it.",
                ),
                io.String.Output("summary", display_name="summary", tooltip="The report card in words."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        backbone: str | None = None,
        preset: Preset | None = None,
        adapt: Adapt | None = None,
        neutralise: Mode | None = None,
    ) -> bool:
        if backbone is not None:  # else it comes over a link
            backbone_options.check(backbone)
        TrainingSettings(
            preset=known(preset, "default"),
            adapt=known(adapt, "none"),
            neutralise=known(neutralise, "auto"),
        )
        return True

    @classmethod
    def fingerprint_inputs(cls, backbone: str | None = None, **_: Any) -> str:
        return backbone_options.fingerprint(backbone)

    @classmethod
    async def execute(  # type: ignore[override]
        cls,
        liked: Dataset,
        ordinary: Dataset,
        name: str,
        backbone: str,
        preset: Preset,
        adapt: Adapt,
        views: int,
        seed: int,
        neutralise: Mode = "auto",
    ) -> io.NodeOutput:
        await run_ready_nodes_first()
        backbone_options.check(backbone)
        settings = TrainingSettings(backbone, preset, adapt, seed, views, neutralise)
        name = name.strip() or "untitled"
        phases = training_phases(len(liked) + len(ordinary), views, adapted=adapt == "lora")
        with live_progress(live_card, phases) as show:
            try:
                files = find_training_files(liked, ordinary, progress=show)
                reward, result, reused = _trained(files, settings, name, show)
            except TooFewError as error:  # a dataset that is still growing must not fail the whole graph
                return _not_yet(error)
            check_cancel()
            card, short = _report_card(result, name, reused), _node_card(result, name, reused)
        show_last(short)
        summary = _summary(result, name, reused)
        losses = _plottable(result.history)
        shown = in_node(
            short, summary=[summary], auc=[result.metrics.auc.value], loss=losses, reused=[reused]
        )
        return io.NodeOutput(
            reward, {"loss": losses} if losses else blocked(), as_image(card), summary, ui=shown
        )


def _trained(
    files: TrainingFiles, settings: TrainingSettings, name: str, show: ProgressCallback
) -> tuple[ManagedReward, TrainingResult, bool]:
    """The reward, the training result, and whether it came from the cache."""
    cache = TrainingCache(folders.cache_folder() / "training")
    key = training_key(files, settings, backbone_options.identity(settings.backbone))
    kept = cache.load(key, files, name=name, load=lambda _: backbone_options.load(settings.backbone, show))
    if kept:
        return ManagedReward(kept.model), kept, True
    loaded: list[ManagedBackbone] = []

    def load(value: str) -> Backbone:
        managed = ManagedBackbone(backbone_options.load(value, show))
        managed.load(pictures=(len(files.liked) + len(files.ordinary)) * settings.views)
        loaded.append(managed)
        return managed.backbone

    result = train_on_files(files, settings, load=load, progress=show, name=name)
    cache.store(key, result, files)
    return ManagedReward(result.model, loaded[0]), result, False


def _not_yet(error: TooFewError) -> io.NodeOutput:
    """Output while there are too few images: nothing is trained, and nodes connected to the model are skipped."""
    summary = to_go(error)
    card = notice_card(summary)
    show_last(card)  # replaces the live preview of reading files
    return io.NodeOutput(
        blocked(), blocked(), blocked(), summary, ui=in_node(card, summary=[summary], auc=[])
    )


def _report_card(result: TrainingResult, name: str, reused: bool) -> Image.Image:
    facts = [
        ("Backbone", result.model.backbone.spec.name),
        ("Same picture", result.leaks.same_picture.word),
        ("Training", "reused\nnothing had changed" if reused else duration(result.seconds["total"])),
    ]
    return image_report(report_data(result, name, facts))


def _node_card(result: TrainingResult, name: str, reused: bool) -> Image.Image:
    """The card drawn in the node: a short version of the report."""
    seconds = duration(result.seconds["total"])
    return compact_card(
        name,
        lead(result.metrics),
        auc=result.metrics.auc,
        facts=[
            *threshold_facts(result.model.thresholds),
            (
                "Learned from",
                f"{result.n_liked} liked\nand {result.n_ordinary} ordinary, "
                f"{'kept from before' if reused else f'in {seconds}'}",
            ),
        ],
        warnings=result.warnings,
    )


def _summary(result: TrainingResult, name: str, reused: bool) -> str:
    backbone, seconds = result.model.backbone.spec.name, duration(result.seconds["total"])
    lines = [
        f"{name}: held-out AUC {result.metrics.auc}",
        lead(result.metrics),
        threshold_sentence(result.model.thresholds),
        f"{result.n_liked} liked and {result.n_ordinary} ordinary pictures, {backbone}, trained in {seconds}.",
        "Reused: nothing had changed." if reused else "",
        f"Same-picture test: {result.leaks.invariance_summary()}",
        *warning_lines(result.warnings),
        "Connect Save GAN-RM to keep it in models/ganrm.",
    ]
    return "\n".join(line for line in lines if line)


def _plottable(history: History) -> list[float]:
    """Loss per step for ComfyUI's Plot Loss Graph; [] if the fit had no steps."""
    return [] if history.choice else plottable(history.loss)
