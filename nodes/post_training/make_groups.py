"""Node "Make Groups": pictures of each prompt, scored: what a generator learns a taste from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io

from ...ganrm_core.post_training.group_summary import score_sentences, spoilt_sentences, title
from ...ganrm_core.post_training.groups import Sampling
from ...ganrm_core.post_training.groups_sheet import groups_sheet
from ...ganrm_core.post_training.tensor_store import TensorStore
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.utils.time_left import Phase
from ..display.candidates import Latent
from ..display.previews import as_image, in_node
from ..display.sampling_inputs import sampling_inputs
from ..display.shared_inputs import output, reward_input
from ..host import folders
from ..host.execution import run_ready_nodes_first
from ..host.progress import live_progress, show_last
from ..host.sampling.sampling_setup import check_names
from ..host.training.prompt_set import PromptSet
from ..sockets import CATEGORY, EXPERIMENTAL, GanRMGroups, GanRMPrompts, Schema, aliases
from .groups_run import STAGE, GroupsRequest, GroupsRun, MadeGroups

_SECONDS_PER_PICTURE = 5.0


class MakeGroups(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMMakeGroups",
            display_name="Make Groups (GAN-RM)",
            search_aliases=aliases(
                "groups rollouts dpo pairs preference train lora 组",
                "preference pairs",
                "rollouts for lora training",
            ),
            category=CATEGORY,
            description="Makes a group of pictures of each prompt and scores them: what the model learns your taste from. "
            "Finished groups are kept on disk: a stopped run goes on where it was, and nothing is made twice.",
            is_output_node=True,
            **EXPERIMENTAL,
            inputs=[
                io.Model.Input("model", tooltip="The model that shall be taught."),
                GanRMPrompts.Input("prompts", tooltip="From Prompts (GAN-RM). They take turns."),
                io.Vae.Input(
                    "vae", tooltip="Decodes the pictures for scoring: the one that belongs to the model."
                ),
                reward_input(),
                io.Latent.Input(
                    "latent_image",
                    display_name="latent image",
                    tooltip="The size of the pictures: an empty latent. Use the size you will make pictures in.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    tooltip="Other pictures for another seed. Every picture has a seed of its own, from this one and its "
                    "prompt, and is what KSampler makes of it.",
                ),
                *sampling_inputs(
                    steps="Steps per picture, as in KSampler.",
                    cfg="How closely the pictures follow the prompt, as in KSampler.",
                    sampler="The sampling method, as in KSampler. Those without noise of their own (euler, dpmpp_2m …) are "
                    "fastest here.",
                ),
                io.Int.Input(
                    "pictures",
                    display_name="pictures per group",
                    default=16,
                    min=2,
                    max=256,
                    tooltip="How many pictures of a prompt compete. With more, the best are better and cost more.",
                ),
                io.Int.Input(
                    "count",
                    display_name="groups",
                    default=32,
                    min=1,
                    max=10_000,
                    tooltip="How many groups. With more groups than prompts, the prompts come again with other seeds. "
                    "More may be added later: those that exist are taken from the disk.",
                ),
            ],
            outputs=[
                output(
                    GanRMGroups,
                    "groups",
                    "The pictures' latents with their prompts, scores and seeds.",
                ),
                output(io.Image, "sheet", "The best and the worst picture of each group, with their scores."),
                output(io.String, "summary", "How many pictures, how their scores spread, and what it cost."),
            ],
        )

    @classmethod
    def validate_inputs(cls, sampler_name: str | None = None, scheduler: str | None = None) -> bool:
        check_names(sampler_name, scheduler)
        return True

    @classmethod
    async def execute(  # type: ignore[override]
        cls,
        model: Any,
        prompts: PromptSet,
        vae: Any,
        reward: Reward,
        latent_image: Latent,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        pictures: int,
        count: int,
    ) -> io.NodeOutput:
        await run_ready_nodes_first()
        sampling = Sampling(steps, cfg, sampler_name, scheduler)
        request = GroupsRequest(model, prompts, vae, reward, latent_image, seed, sampling, pictures, count)
        run = GroupsRun(request, TensorStore(folders.cache_folder() / "groups"))
        expected = _SECONDS_PER_PICTURE * pictures * count
        with live_progress(run.draw, [Phase(STAGE, expected, "backbone")]) as show:
            made = run.run(show)
        return _result(made)


def _result(made: MadeGroups) -> io.NodeOutput:
    groups = made.groups.groups
    scores, spoilt = score_sentences(groups), spoilt_sentences(groups)
    cost = _cost(made)
    warnings = [*scores[2:], *spoilt]
    if made.not_kept:
        warnings.append("Not everything is kept on disk for the next run.")
    sheet = groups_sheet(groups, title(groups), [*scores[:2], cost], warnings)
    show_last(sheet)
    lines = [
        title(groups),
        *scores,
        f"Spread of the logits inside groups: {groups.spread():.3g}.",
        cost,
        *spoilt,
    ]
    lines += [
        f"Group {group + 1}, picture {picture + 1}: {why}" for (group, picture), why in made.lost.items()
    ]
    if made.not_kept:
        lines.append(f"Not everything is kept on disk for the next run: {made.not_kept}")
    summary = "\n".join(lines)
    for line in warnings:
        logging.info("GAN-RM: %s", line)
    return io.NodeOutput(
        made.groups,
        as_image(sheet),
        summary,
        ui=in_node(
            sheet,
            summary=[summary],
            made=[made.made],
            rescored=[made.rescored],
            reused=[made.reused],
            scores=[group.scores.tolist() for group in groups.groups],
            seeds=[list(group.seeds) for group in groups.groups],
        ),
    )


def _cost(made: MadeGroups) -> str:
    """Such as "512 pictures made · 64 kept from before · 12 min"."""
    counts: Sequence[tuple[int, str]] = (
        (made.made, "pictures made"),
        (made.rescored, "scored again"),
        (made.reused, "kept from before"),
    )
    duration = f"{made.seconds:.0f} s" if made.seconds < 120 else f"{made.seconds / 60:.0f} min"
    return " · ".join([*(f"{count} {what}" for count, what in counts if count), duration])
