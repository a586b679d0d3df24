"""Node "Adversarial LoRA Training": the generator learns from its own pictures, and the taste follows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.post_training.config import LAYERS, ROUND_METHODS
from ...ganrm_core.post_training.groups import Sampling
from ...ganrm_core.post_training.round_limits import values
from ...ganrm_core.post_training.rounds_card import rounds_report_card
from ...ganrm_core.post_training.rounds_words import TITLES, facts, verdict, warnings_of
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.utils.time_left import duration
from ..display.candidates import Latent
from ..display.empty_outputs import blocked
from ..display.loss_map import plottable
from ..display.messages import warning_lines
from ..display.previews import as_image, in_node
from ..display.queue_checks import check_choice
from ..display.shared_inputs import output
from ..host import model_files
from ..host.execution import run_ready_nodes_first
from ..host.progress import live_progress, show_last
from ..host.sampling.sampling_setup import check_names
from ..host.training.prompt_set import PromptSet
from ..sockets import CATEGORY, EXPERIMENTAL, Dataset, GanRMReward, Schema, aliases
from .adversarial_inputs import inputs, settings_of
from .lora_inputs import CHECKPOINTING, NO_FILE
from .rounds_job import RoundsJob
from .rounds_run import RoundsResult, RoundsRun
from .start_lora import start_lora

_SAMPLING = ("steps", "cfg", "sampler_name", "scheduler")


class AdversarialTraining(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMAdversarialTraining",
            display_name="Adversarial LoRA Training (GAN-RM)",
            search_aliases=aliases(
                "lora train finetune reinforcement rl nft grpo adversarial gan reward taste teach 训练 微调 强化学习 对抗",
                "reinforcement learning",
                "reward lora",
                "rlhf lora",
            ),
            category=CATEGORY,
            description="The model makes pictures, your taste judges them, the model learns, and your taste learns to tell the "
            "new pictures from those you like, round after round. A watch sees when the taste is being fooled, stops, and "
            "gives you the best LoRA on the way. A stopped run goes on from its last round.",
            is_output_node=True,
            **EXPERIMENTAL,
            inputs=inputs(),
            outputs=[
                output(
                    io.LoraModel,
                    "lora",
                    "The best LoRA, for Save LoRA and Load LoRA Model. If nothing was better than before training, there is "
                    "none, and what hangs on this output waits.",
                ),
                output(
                    GanRMReward, "refreshed_reward", "The taste as it was refitted last, for Save GAN-RM."
                ),
                output(io.LossMap, "loss", "The loss of every round, for ComfyUI's Plot Loss Graph."),
                output(
                    io.Image,
                    "report",
                    "The same pictures before and after, what the watch saw, and what to do next. Connect Preview Image to see "
                    "all of it.",
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
        sampler_name: str | None = None,
        scheduler: str | None = None,
        method: str | None = None,
        layers: str | None = None,
        checkpointing: str | None = None,
        start_file: str | None = None,
    ) -> bool:
        _check_widgets(sampler_name, scheduler, method, layers, checkpointing, start_file)
        return True

    @classmethod
    def fingerprint_inputs(cls, start_file: str | None = None, **_: Any) -> str:
        return model_files.lora_fingerprint(start_file) if start_file not in (None, NO_FILE) else ""

    @classmethod
    async def execute(  # type: ignore[override]
        cls,
        model: Any,
        prompts: PromptSet,
        vae: Any,
        reward: Reward,
        references: Dataset,
        latent_image: Latent,
        start_file: str = NO_FILE,
        start: Mapping[str, Tensor] | None = None,
        judge: Reward | None = None,
        ordinary: Dataset | None = None,
        **given: Any,
    ) -> io.NodeOutput:
        await run_ready_nodes_first()
        _check_widgets(
            given["sampler_name"],
            given["scheduler"],
            given.get("method"),
            given.get("layers"),
            given.get("checkpointing"),
            start_file,
        )
        training, lora = settings_of(given)
        job = RoundsJob(
            model,
            prompts,
            vae,
            reward,
            references,
            latent_image,
            Sampling(**{name: given[name] for name in _SAMPLING}),
            training,
            lora,
            judge=judge,
            ordinary=ordinary,
            start=start_lora(start_file, start),
            checkpointing=CHECKPOINTING[given.get("checkpointing", "auto")],
        )
        run = RoundsRun(job)
        with live_progress(run.draw, run.phases()) as progress:
            found = run.run(progress)
        return _result(run, found)


def _check_widgets(
    sampler_name: str | None,
    scheduler: str | None,
    method: str | None,
    layers: str | None,
    checkpointing: str | None,
    start_file: str | None,
) -> None:
    """Raise DataError for a choice that is not offered; None is not known yet."""
    check_names(sampler_name, scheduler)
    choices = (
        (method, ROUND_METHODS, "method"),
        (layers, LAYERS, "layers"),
        (checkpointing, tuple(CHECKPOINTING), "gradient checkpointing"),
    )
    for value, offered, name in choices:
        if value is not None:
            check_choice(value, offered, name)
    if start_file not in (None, NO_FILE):
        model_files.lora_path(start_file)


def _result(run: RoundsRun, found: RoundsResult) -> io.NodeOutput:
    from ..host.training.lora_file import with_lora

    job, kept, trace = run.job, found.kept, found.kept.trace
    said, title = verdict(trace, max(job.training.rounds, len(trace.losses))), TITLES[job.training.method]
    card = rounds_report_card(run.view, title, said.sentence, warning=said.warning)
    show_last(card)
    took = (
        "Reused: nothing had changed."
        if found.reused
        else f"{len(trace.losses)} rounds took {duration(kept.seconds)}."
    )
    warnings = [*warnings_of(trace), *run.notes, found.problem]
    summary = "\n".join(
        [
            f"{title}. {said.sentence}",
            *facts(trace, job.training, job.lora),
            took,
            *warning_lines([warning for warning in warnings if warning]),
        ]
    )
    losses = plottable([each.loss for each in trace.losses])
    shown = in_node(
        card,
        summary=[summary],
        loss=losses,
        rounds=[len(trace.losses)],
        kept=[trace.kept],
        stopped=[trace.stopped],
        looks=[{"rounds": look.rounds, "reward": look.reward, **values(look)} for look in trace.looks],
        reused=[found.reused],
    )
    lora, model = kept.lora, with_lora(job.model, kept.lora)
    if (
        not trace.kept and job.start is None
    ):  # a LoRA that does nothing is none: whoever saves or compares it waits
        lora, model = blocked(), blocked()
    return io.NodeOutput(lora, found.reward, {"loss": losses}, as_image(card), summary, model, ui=shown)
