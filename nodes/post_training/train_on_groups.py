"""Node "Train LoRA on Groups": teaches a generator what a taste prefers, as a LoRA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.post_training.config import (
    LAYERS,
    LEARNING_RATES,
    METHODS,
    GroupTraining,
    Layers,
    LoraSettings,
    Method,
)
from ...ganrm_core.post_training.training_card import training_report_card
from ...ganrm_core.post_training.training_chart import held_out_points
from ...ganrm_core.post_training.training_words import TITLES, facts, notes, verdict
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.time_left import duration
from ..display.loss_map import plottable
from ..display.messages import warning_lines
from ..display.previews import as_image, in_node
from ..display.queue_checks import check_choice
from ..display.shared_inputs import output
from ..host import model_files
from ..host.execution import run_ready_nodes_first
from ..host.progress import live_progress, show_last
from ..host.training.prompt_set import PromptedGroups
from ..sockets import CATEGORY, EXPERIMENTAL, GanRMGroups, Schema, advanced, aliases
from .lora_cache import TrainedLora
from .lora_training import Job, LoraTraining

_NONE = "none"
_CHECKPOINTING: Mapping[str, bool | None] = {"auto": None, "on": True, "off": False}
_USUAL, _USUAL_LORA = GroupTraining(), LoraSettings()


class TrainOnGroups(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMTrainOnGroups",
            display_name="Train LoRA on Groups (GAN-RM)",
            search_aliases=aliases("lora train finetune dpo sft preference taste teach 训练 微调 偏好"),
            category=CATEGORY,
            description="Teaches your generator your taste: a LoRA with which it more often makes what the reward likes. "
            "What has not changed is never trained on twice, not even after a restart.",
            is_output_node=True,
            **EXPERIMENTAL,
            inputs=[*_inputs(), *map(advanced, _advanced_inputs()), *_optional_inputs()],
            outputs=[
                output(io.LoraModel, "lora", "The trained LoRA, for Save LoRA and Load LoRA Model."),
                output(io.LossMap, "loss", "The loss of every step, for ComfyUI's Plot Loss Graph."),
                output(
                    io.Image,
                    "report",
                    "The same pictures before and after, the curves, and what to do next. Connect Preview Image to see "
                    "all of it.",
                ),
                output(io.String, "summary", "The report in words."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, method: str | None = None, layers: str | None = None, start_file: str | None = None
    ) -> bool:
        _check_widgets(method, layers, start_file)
        return True

    @classmethod
    def fingerprint_inputs(cls, start_file: str | None = None, **_: Any) -> str:
        return model_files.lora_fingerprint(start_file) if start_file not in (None, _NONE) else ""

    @classmethod
    async def execute(  # type: ignore[override]
        cls,
        model: Any,
        groups: PromptedGroups,
        method: Method,
        start_file: str = _NONE,
        start: Mapping[str, Tensor] | None = None,
        vae: Any | None = None,
        **settings: Any,
    ) -> io.NodeOutput:
        await run_ready_nodes_first()
        _check_widgets(method, settings.get("layers"), start_file)
        training, lora = _settings(method, settings)
        job = Job(
            model,
            groups,
            training,
            lora,
            start=_start(start_file, start),
            vae=vae,
            checkpointing=_CHECKPOINTING[settings.get("checkpointing", "auto")],
            previews=settings.get("previews", True),
        )
        run = LoraTraining(job)
        with live_progress(run.draw, run.phases()) as progress:
            trained, problem = run.run(progress)
        return _result(run, job, trained, problem)


def _inputs() -> list[io.Input]:
    return [
        io.Model.Input(
            "model",
            tooltip="The model that made the groups, with the LoRAs it had then. It comes out as it went in.",
        ),
        GanRMGroups.Input("groups", tooltip="From Make Groups: pictures of each prompt, and their scores."),
        io.Combo.Input(
            "method",
            options=list(METHODS),
            default=METHODS[0],
            tooltip="best: learns from the best pictures of each group what to make more of. pairs: learns from the best and "
            "the worst what sets them apart, and keeps the rest as it is; slower, and needs twice the memory.",
        ),
        io.Int.Input(
            "steps",
            default=_USUAL.steps,
            min=1,
            max=100_000,
            tooltip="How long to train. Watch the live preview: if the pictures still get better at the end, take more.",
        ),
        io.Float.Input(
            "learning_rate",
            display_name="learning rate",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.000001,
            round=0.00000001,
            tooltip="How large the steps are. 0: what suits the method "
            f"({', '.join(f'{rate:g} for {name}' for name, rate in LEARNING_RATES.items())}). Lower it if pictures fall apart.",
        ),
        io.Int.Input(
            "rank",
            default=_USUAL_LORA.rank,
            min=1,
            max=256,
            tooltip="The LoRA's size. 16 is enough for a taste; a larger one makes a larger file and forgets more easily.",
        ),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=False,
            tooltip="The same groups, settings and seed give the same LoRA.",
        ),
    ]


def _advanced_inputs() -> list[io.Input]:
    """Left out by whoever writes a prompt by hand, they have their defaults."""
    return [
        io.Int.Input(
            "keep",
            default=_USUAL.keep,
            min=1,
            max=64,
            optional=True,
            tooltip="How many pictures of a group count as its best, and how many as its worst. At most half of a group.",
        ),
        io.Float.Input(
            "beta",
            default=_USUAL.beta,
            min=0.001,
            max=1_000_000.0,
            step=1.0,
            round=0.001,
            optional=True,
            tooltip="For pairs: how closely to stay to the model as it is. Larger changes less.",
        ),
        io.Float.Input(
            "safeguard",
            default=_USUAL.mu,
            min=-1.0,
            max=1.0,
            step=0.05,
            round=0.001,
            optional=True,
            tooltip="For pairs: how much the best pictures are protected while the model unlearns the worst. 1: fully, 0: "
            "they may just not get worse, -1: not at all.",
        ),
        io.Combo.Input(
            "layers",
            options=list(LAYERS),
            default=_USUAL_LORA.layers,
            optional=True,
            tooltip="Which layers learn. attention: enough for a taste, and the smallest file. More layers learn more, "
            "forget more and need more memory.",
        ),
        io.Float.Input(
            "alpha",
            default=0.0,
            min=0.0,
            max=1024.0,
            step=1.0,
            round=0.01,
            optional=True,
            tooltip="The LoRA counts alpha / rank times. 0: as much as the rank, so once.",
        ),
        io.Int.Input(
            "batch",
            default=_USUAL.batch,
            min=1,
            max=256,
            optional=True,
            tooltip="Pictures, or pairs, per step. More make each step surer and slower.",
        ),
        io.Int.Input(
            "micro_batch",
            display_name="pictures at once",
            default=_USUAL.micro_batch,
            min=1,
            max=256,
            optional=True,
            tooltip="How many of them go through the model together. Fewer need less memory; when it runs out, they are "
            "halved by themselves.",
        ),
        io.Combo.Input(
            "checkpointing",
            display_name="gradient checkpointing",
            options=list(_CHECKPOINTING),
            default="auto",
            optional=True,
            tooltip="Saves most of the memory and takes a third more time. auto: on for all but the smallest models.",
        ),
        io.Boolean.Input(
            "previews",
            default=True,
            optional=True,
            tooltip="Show the same four pictures before, while and after it trains. They take about a tenth of the time.",
        ),
        io.Combo.Input(
            "start_file",
            display_name="go on from file",
            options=[_NONE, *model_files.lora_files()],
            default=_NONE,
            optional=True,
            tooltip="A LoRA of models/loras to train further, instead of a new one. Do not load it into the model as well.",
        ),
    ]


def _optional_inputs() -> list[io.Input]:
    return [
        io.LoraModel.Input(
            "start",
            display_name="go on from",
            optional=True,
            tooltip="The same for a LoRA of another training node.",
        ),
        io.Vae.Input(
            "vae",
            optional=True,
            tooltip="Decodes the previews. Without it they are coarser; the LoRA is the same.",
        ),
    ]


def _check_widgets(method: str | None, layers: str | None, start_file: str | None) -> None:
    """Raise DataError for a choice that is not offered; None is not known yet."""
    if method is not None:
        check_choice(method, METHODS, "method")
    if layers is not None:
        check_choice(layers, LAYERS, "layers")
    if start_file not in (None, _NONE):
        model_files.lora_path(start_file)


def _settings(method: Method, given: Mapping[str, Any]) -> tuple[GroupTraining, LoraSettings]:
    def of(name: str, usual: Any) -> Any:
        return given.get(name, usual)

    batch, rank = of("batch", _USUAL.batch), of("rank", _USUAL_LORA.rank)
    layers: Layers = of("layers", _USUAL_LORA.layers)
    training = GroupTraining(
        method=method,
        steps=of("steps", _USUAL.steps),
        learning_rate=of("learning_rate", _USUAL.learning_rate),
        keep=of("keep", _USUAL.keep),
        batch=batch,
        micro_batch=min(batch, of("micro_batch", _USUAL.micro_batch)),
        beta=of("beta", _USUAL.beta),
        mu=of("safeguard", _USUAL.mu),
        seed=of("seed", _USUAL.seed),
    )
    return training, LoraSettings(rank, of("alpha", 0.0) or float(rank), layers)


def _start(file: str, linked: Mapping[str, Tensor] | None) -> Mapping[str, Tensor] | None:
    if file == _NONE:
        return linked
    if linked is not None:
        raise DataError(
            "Two LoRAs to go on from: a file and a connected one. Set 'go on from file' to none, or take the link off."
        )
    from ..host.training.lora_file import read_lora

    return read_lora(model_files.lora_path(file))


def _result(run: LoraTraining, job: Job, trained: TrainedLora, problem: str) -> io.NodeOutput:
    trace, training = trained.trace, job.training
    found = verdict(trace, training.steps, _change(trained))
    card = training_report_card(run.view, TITLES[training.method], found.sentence, warning=found.warning)
    show_last(card)
    warnings = [*run.warnings, *notes(run.choice, training, trained.micro_batch), *trained.notes, problem]
    took = "Reused: nothing had changed." if trained.reused else f"Trained in {duration(trained.seconds)}."
    summary = "\n".join(
        [
            f"{TITLES[training.method]}. {found.sentence}",
            *facts(trace, run.choice, training, job.lora),
            took,
            *warning_lines([warning for warning in warnings if warning]),
        ]
    )
    losses = plottable(trace.losses)
    shown = in_node(
        card,
        summary=[summary],
        loss=losses,
        held_out=[ratio for _, ratio in held_out_points(trace)],
        steps=[trace.kept],
        stopped=[trace.stopped],
        reused=[trained.reused],
    )
    return io.NodeOutput(trained.lora, {"loss": losses}, as_image(card), summary, ui=shown)


def _change(trained: TrainedLora) -> float | None:
    """How far the previews' latents moved, in their standard deviations; None without previews."""
    if trained.before is None or trained.after is None:
        return None
    before, after = trained.before.double(), trained.after.double()
    return float((after - before).abs().mean() / before.std().clamp(min=1e-12))
