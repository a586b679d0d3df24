"""Node "Train LoRA on Groups": teaches a generator what a taste prefers, as a LoRA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.post_training.config import LAYERS, METHODS, Method
from ...ganrm_core.post_training.round_limits import values
from ...ganrm_core.post_training.training_card import training_report_card
from ...ganrm_core.post_training.training_chart import held_out_points
from ...ganrm_core.post_training.training_words import TITLES, facts, notes, verdict
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.utils.time_left import duration
from ..display.empty_outputs import blocked
from ..display.loss_map import plottable
from ..display.messages import warning_lines
from ..display.previews import as_image, in_node
from ..display.queue_checks import check_choice
from ..display.shared_inputs import output
from ..host import model_files
from ..host.execution import run_ready_nodes_first
from ..host.progress import live_progress, show_last
from ..host.training.prompt_set import PromptedGroups
from ..sockets import CATEGORY, EXPERIMENTAL, Schema, aliases
from .lora_cache import TrainedLora
from .lora_inputs import CHECKPOINTING, NO_FILE, inputs, settings_of
from .lora_job import Job
from .lora_training import LoraTraining
from .start_lora import start_lora


class TrainOnGroups(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMTrainOnGroups",
            display_name="Train LoRA on Groups (GAN-RM)",
            search_aliases=aliases(
                "lora train finetune dpo sft preference taste teach 训练 微调 偏好",
                "preference optimization",
                "dpo lora",
                "reward lora",
                "train a lora on my taste",
            ),
            category=CATEGORY,
            description="Teaches your generator your taste: a LoRA with which it more often makes what the reward likes. "
            "What has not changed is never trained on twice, not even after a restart.",
            is_output_node=True,
            **EXPERIMENTAL,
            inputs=inputs(),
            outputs=[
                output(
                    io.LoraModel,
                    "lora",
                    "The trained LoRA, for Save LoRA and Load LoRA Model. If the watch stopped the training before anything was "
                    "better, there is none, and what hangs on this output waits.",
                ),
                output(io.LossMap, "loss", "The loss of every step, for ComfyUI's Plot Loss Graph."),
                output(
                    io.Image,
                    "report",
                    "The same pictures before and after, the curves, what the watch saw, and what to do next. Connect Preview "
                    "Image to see all of it.",
                ),
                output(io.String, "summary", "The report in words."),
                output(
                    io.Model,
                    "trained_model",
                    "The model with the LoRA, as Load LoRA gives it: for Compare Models, and for making pictures.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        method: str | None = None,
        layers: str | None = None,
        checkpointing: str | None = None,
        start_file: str | None = None,
    ) -> bool:
        _check_widgets(method, layers, checkpointing, start_file)
        return True

    @classmethod
    def fingerprint_inputs(cls, start_file: str | None = None, **_: Any) -> str:
        return model_files.lora_fingerprint(start_file) if start_file not in (None, NO_FILE) else ""

    @classmethod
    async def execute(  # type: ignore[override]
        cls,
        model: Any,
        groups: PromptedGroups,
        method: Method,
        start_file: str = NO_FILE,
        start: Mapping[str, Tensor] | None = None,
        vae: Any | None = None,
        reward: Reward | None = None,
        judge: Reward | None = None,
        **settings: Any,
    ) -> io.NodeOutput:
        await run_ready_nodes_first()
        _check_widgets(method, settings.get("layers"), settings.get("checkpointing"), start_file)
        training, lora = settings_of(method, settings)
        job = Job(
            model,
            groups,
            training,
            lora,
            start=start_lora(start_file, start),
            vae=vae,
            checkpointing=CHECKPOINTING[settings.get("checkpointing", "auto")],
            previews=settings.get("previews", True),
            reward=reward,
            judge=judge,
        )
        run = LoraTraining(job)
        with live_progress(run.draw, run.phases()) as progress:
            trained, problem = run.run(progress)
        return _result(run, job, trained, problem)


def _check_widgets(
    method: str | None, layers: str | None, checkpointing: str | None, start_file: str | None
) -> None:
    """Raise DataError for a choice that is not offered; None is not known yet."""
    if method is not None:
        check_choice(method, METHODS, "method")
    if layers is not None:
        check_choice(layers, LAYERS, "layers")
    if checkpointing is not None:
        check_choice(checkpointing, tuple(CHECKPOINTING), "gradient checkpointing")
    if start_file not in (None, NO_FILE):
        model_files.lora_path(start_file)


def _result(run: LoraTraining, job: Job, trained: TrainedLora, problem: str) -> io.NodeOutput:
    from ..host.training.lora_file import with_lora

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
        looks=[{"steps": look.rounds, "reward": look.reward, **values(look)} for look in trace.looks],
        reused=[trained.reused],
    )
    lora, model = trained.lora, with_lora(job.model, trained.lora)
    if (
        not trace.kept and job.start is None
    ):  # a LoRA that does nothing is none: whoever saves or compares it waits
        lora, model = blocked(), blocked()
    return io.NodeOutput(lora, {"loss": losses}, as_image(card), summary, model, ui=shown)


def _change(trained: TrainedLora) -> float | None:
    """How far the previews' latents moved, in their standard deviations; None without previews."""
    if trained.before is None or trained.after is None:
        return None
    before, after = trained.before.double(), trained.after.double()
    return float((after - before).abs().mean() / before.std().clamp(min=1e-12))
