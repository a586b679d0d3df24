"""Node "Compare Models": what a LoRA changed, on the same prompts and seeds, and whether to keep it."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ...ganrm_core.post_training.groups import Sampling
from ...ganrm_core.rewards.base import Reward
from ..display.candidates import Latent
from ..display.previews import as_image, in_node, live_card
from ..display.sampling_inputs import sampling_inputs
from ..display.shared_inputs import output, reward_input
from ..host.execution import run_ready_nodes_first
from ..host.latents import single_latent
from ..host.progress import live_progress, show_last
from ..host.sampling.sampling_setup import check_names
from ..host.training.picture_features import feature_source
from ..host.training.prompt_set import PromptSet
from ..sockets import CATEGORY, EXPERIMENTAL, GanRMPrompts, GanRMReward, Schema, aliases
from .comparison_report import report
from .comparison_run import ComparisonInputs, compare

_FIRST_SEED = 1_000_000  # far from the seeds that groups are made with when nobody changes them


class CompareModels(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMCompareModels",
            display_name="Compare Models (GAN-RM)",
            search_aliases=aliases(
                "compare before after lora judge evaluate 比较 对比",
                "win rate",
                "compare loras",
                "lora test",
            ),
            category=CATEGORY,
            description="Makes the same pictures with a model before and after training, and says whether to keep the "
            "LoRA: does it please the taste more, without pictures getting alike or ignoring their prompts?",
            is_output_node=True,
            **EXPERIMENTAL,
            inputs=_inputs(),
            outputs=[
                output(
                    io.Image, "sheet", "The verdict, the figures, and pairs of pictures before and after."
                ),
                output(
                    io.Float,
                    "win_rate",
                    "How often the picture after has the higher score, 0 to 1. 0.5: no difference.",
                ),
                output(
                    io.Float,
                    "reward_change",
                    "Mean change of the reward, in logits: the scale behind the score, which has no ends.",
                ),
                output(io.Boolean, "keep", "Whether the reward surely rose and nothing speaks against it."),
                output(io.String, "summary", "The verdict and all figures in words."),
            ],
        )

    @classmethod
    def validate_inputs(cls, sampler_name: str | None = None, scheduler: str | None = None) -> bool:
        check_names(sampler_name, scheduler)
        return True

    @classmethod
    async def execute(  # type: ignore[override]
        cls,
        before: Any,
        after: Any,
        prompts: PromptSet,
        vae: Any,
        reward: Reward,
        latent_image: Latent,
        seed: int,
        pictures: int,
        judge: Reward | None = None,
        **sampling: Any,
    ) -> io.NodeOutput:
        await run_ready_nodes_first()
        settings = Sampling(**sampling)
        check_names(settings.sampler_name, settings.scheduler)
        latent = single_latent(latent_image, before)
        given = ComparisonInputs(
            before, after, prompts, vae, reward, judge, settings, latent, seed=seed, pictures=pictures
        )
        with live_progress(live_card, given.phases()) as progress:
            comparison, first, second = compare(given, progress)
            found = report(given, comparison, first, second, feature_source(reward))
        show_last(found.sheet)
        return io.NodeOutput(
            as_image(found.sheet),
            comparison.wins.value,
            comparison.reward.difference.value,
            found.verdict.keep,
            found.summary,
            ui=in_node(found.sheet, **found.values),
        )


def _inputs() -> list[io.Input]:
    return [
        io.Model.Input("before", tooltip="The model without the LoRA."),
        io.Model.Input("after", tooltip="The same model with the LoRA, from Load LoRA (Model Only)."),
        GanRMPrompts.Input(
            "prompts",
            tooltip="From Prompts. Eight or more say how prompts like these fare; prompts that were not trained on say more.",
        ),
        io.Vae.Input("vae", tooltip="Decodes the pictures."),
        reward_input(),
        io.Latent.Input(
            "latent_image", display_name="latent image", tooltip="An empty latent of the size to compare at."
        ),
        io.Int.Input(
            "seed",
            default=_FIRST_SEED,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=False,
            tooltip="Of the first pair; the others have the seeds after it. Use seeds that no groups were made with.",
        ),
        *sampling_inputs(
            steps="How many steps a picture takes.",
            cfg="How closely the pictures follow the prompt (classifier-free guidance). As you will use the LoRA.",
        ),
        io.Int.Input(
            "pictures",
            display_name="pictures per prompt",
            default=8,
            min=1,
            max=256,
            tooltip="How many pairs are made of each prompt. More make the intervals narrower; two are needed to measure "
            "diversity.",
        ),
        GanRMReward.Input(
            "judge",
            optional=True,
            tooltip="A second taste, best trained on other pictures with another backbone. If it falls while the reward "
            "rises, the LoRA learned to please the reward only.",
        ),
    ]
