"""Best-of-N Sampler, and the one for custom sampling."""

from __future__ import annotations

import math
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.successive_halving import SCHEDULES, Schedule, parse_schedule
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.time_left import Phase
from ..display.candidates import Latent
from ..display.previews import as_image, in_node
from ..display.queue_checks import check_choice, known
from ..host.progress import live_progress, show_last
from ..host.sampling.sampling_setup import (
    KSamplerSettings,
    Setup,
    as_ksampler,
    as_sampler_custom,
    check_steps,
    samplers_and_schedulers,
)
from ..sockets import CATEGORY, GanRMReward, Schema, advanced
from .halving_run import DECODERS, Decoder, Finalist, HalvingRun, Outcome, Rules

_MOST = 256


class BestOfNSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        samplers, schedulers = samplers_and_schedulers()
        return Schema(
            node_id="GANRMBestOfNSampler",
            display_name="Best-of-N Sampler (GAN-RM)",
            search_aliases=["best", "pick", "select", "choose", "quality", "seeds", "generate", "最佳"],
            category=CATEGORY,
            description="Samples N pictures, looks at them half-made, gives the weakest up and finishes the others: "
            "the best of N at about half the work. Each is the very picture KSampler makes of its seed.",
            is_output_node=True,
            inputs=[
                io.Model.Input("model", tooltip="The model that makes the pictures."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Of the first candidate; the others have the seeds after it.",
                ),
                io.Int.Input(
                    "steps", default=20, min=1, max=10_000, tooltip="How many steps a finished picture takes."
                ),
                io.Float.Input(
                    "cfg",
                    default=8.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    round=0.01,
                    tooltip="How closely the pictures follow the prompt (classifier-free guidance).",
                ),
                io.Combo.Input(
                    "sampler_name",
                    display_name="sampler name",
                    options=samplers,
                    tooltip="The sampling method, as in KSampler.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=schedulers,
                    tooltip="How the noise is taken away, as in KSampler.",
                ),
                io.Conditioning.Input("positive", tooltip="What the pictures shall show."),
                io.Conditioning.Input("negative", tooltip="What they shall not show."),
                io.Latent.Input(
                    "latent_image",
                    display_name="latent image",
                    tooltip="What every candidate starts from: an empty latent, or a picture's for img2img. One; how "
                    "many are made of it stands in n.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the latent is made anew, as in KSampler.",
                ),
                *_shared_inputs(),
            ],
            outputs=_outputs(),
        )

    @classmethod
    def validate_inputs(
        cls,
        sampler_name: str | None = None,
        scheduler: str | None = None,
        denoise: float | None = None,
        n: int | None = None,
        keep: int | None = None,
        pruning: str | None = None,
        custom_pruning: str | None = None,
        look_with: str | None = None,
    ) -> bool:
        _check_names(sampler_name, scheduler)
        if denoise is not None:
            check_steps(math.ceil(denoise))
        _check_rules(n, keep, pruning, custom_pruning, look_with)
        return True

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        model: Any,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive: Any,
        negative: Any,
        latent_image: Latent,
        denoise: float,
        **shared: Any,
    ) -> io.NodeOutput:
        _check_names(sampler_name, scheduler)
        settings = KSamplerSettings(steps, cfg, sampler_name, scheduler, denoise)
        return _result(as_ksampler(model, positive, negative, latent_image, seed, settings), **shared)


class BestOfNSamplerCustom(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMBestOfNSamplerCustom",
            display_name="Best-of-N Sampler, Custom (GAN-RM)",
            search_aliases=["best", "pick", "quality", "seeds"],
            category=CATEGORY,
            description="The Best-of-N Sampler for noise, guider, sampler and sigmas of their own, as "
            "SamplerCustomAdvanced takes them.",
            is_output_node=True,
            inputs=[
                io.Noise.Input(
                    "noise",
                    tooltip="RandomNoise: its seed is that of the first candidate, the others follow.",
                ),
                io.Guider.Input("guider", tooltip="The model and what it is told, such as CFGGuider."),
                io.Sampler.Input("sampler", tooltip="The sampling method, such as KSamplerSelect."),
                io.Sigmas.Input("sigmas", tooltip="How the noise is taken away, such as BasicScheduler."),
                io.Latent.Input(
                    "latent_image",
                    display_name="latent image",
                    tooltip="What every candidate starts from: an empty latent, or a picture's. One; how many are made "
                    "of it stands in n.",
                ),
                *_shared_inputs(),
            ],
            outputs=_outputs(),
        )

    @classmethod
    def validate_inputs(
        cls,
        n: int | None = None,
        keep: int | None = None,
        pruning: str | None = None,
        custom_pruning: str | None = None,
        look_with: str | None = None,
    ) -> bool:
        _check_rules(n, keep, pruning, custom_pruning, look_with)
        return True

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        noise: Any,
        guider: Any,
        sampler: Any,
        sigmas: Tensor,
        latent_image: Latent,
        **shared: Any,
    ) -> io.NodeOutput:
        return _result(as_sampler_custom(noise, guider, sampler, sigmas, latent_image), **shared)


def _shared_inputs() -> list[io.Input]:
    return [
        io.Vae.Input("vae", tooltip="Decodes what is looked at and what is kept."),
        GanRMReward.Input("reward", tooltip="The taste to judge by: from Load GAN-RM or Train GAN-RM."),
        io.Int.Input(
            "n", display_name="n", default=8, min=1, max=_MOST, tooltip="How many candidates are begun."
        ),
        io.Int.Input("keep", default=1, min=1, max=_MOST, tooltip="How many of the best come out."),
        io.Combo.Input(
            "pruning",
            options=list(SCHEDULES),
            default="standard",
            tooltip="When the weakest are given up. standard: one half after 30 % of the steps, half of the rest after "
            "50 % (53 % of the work). gentle: one half after 50 % (75 %). strong: half after 20, 35 and 50 % (38 %). off: "
            "all are finished.",
        ),
        advanced(
            io.String.Input(
                "custom_pruning",
                display_name="pruning of your own",
                default="",
                tooltip="Such as '30%: 1/2, 50%: 1/4': after 30 % of the steps one half goes on, after 50 % one quarter of "
                "all. Empty: the one chosen above.",
            )
        ),
        advanced(
            io.Combo.Input(
                "look_with",
                display_name="look with",
                options=list(DECODERS),
                default="vae",
                tooltip="What decodes half-made pictures. The preview decoder (TAESD, from models/vae_approx) is faster "
                "and coarser.",
            )
        ),
        advanced(
            io.Int.Input(
                "together",
                display_name="candidates per call",
                default=1,
                min=1,
                max=64,
                tooltip="1: each candidate is exactly what it would be alone. More: so many share a call of the model, as far "
                "as memory allows, which is faster on a graphics card and changes the last digits.",
            )
        ),
        advanced(
            io.Float.Input(
                "stop_below",
                display_name="stop if a better one is unlikely",
                default=0.0,
                min=0.0,
                max=1.0,
                step=0.01,
                tooltip="Makes the candidates in rounds, and no further round once the chance that one of it would be kept "
                "is below this. 0: all are made at once.",
            )
        ),
        advanced(
            io.Int.Input(
                "round_size",
                display_name="candidates per round",
                default=4,
                min=1,
                max=_MOST,
                tooltip="How many are made before it is asked whether to stop.",
            )
        ),
    ]


def _outputs() -> list[io.Output]:
    return [
        io.Latent.Output(
            "latents",
            display_name="latents",
            is_output_list=True,
            tooltip="The latents of the pictures kept, one by one, best first.",
        ),
        io.Image.Output(
            "images",
            display_name="images",
            is_output_list=True,
            tooltip="The pictures kept, one by one, best first.",
        ),
        io.Float.Output(
            "scores", display_name="scores", is_output_list=True, tooltip="The score of each picture kept."
        ),
        io.Int.Output(
            "seeds",
            display_name="seeds",
            is_output_list=True,
            tooltip="The seed of each picture kept: core's sampler with the same settings makes the same picture of it.",
        ),
        io.Int.Output(
            "indices",
            display_name="indices",
            is_output_list=True,
            tooltip="Which candidate each was, counted from 0: how far its seed lies after the first. The sheet counts from 1.",
        ),
        io.String.Output(
            "summary", display_name="summary", tooltip="What was kept, and how much work it took."
        ),
        io.Image.Output(
            "preview",
            display_name="preview",
            tooltip="All candidates, best first: those kept framed in gold, those given up as they were then, faded.",
        ),
    ]


def _result(
    setup: Setup,
    vae: Any,
    reward: Reward,
    n: int,
    keep: int,
    pruning: str,
    custom_pruning: str,
    look_with: Decoder,
    together: int,
    stop_below: float,
    round_size: int,
) -> io.NodeOutput:
    schedule = _schedule(pruning, custom_pruning)
    rules = Rules(n, keep, schedule, look_with, together, stop_below, round_size)
    contest = HalvingRun(setup, vae, reward, rules)
    with live_progress(contest.draw, [Phase("Sampling", rules.count, "backbone")]) as show:
        outcome = contest.run(show)
    show_last(outcome.sheet)
    kept = outcome.kept
    return io.NodeOutput(
        [{**setup.latent, "samples": each.latent} for each in kept],
        [each.picture.unsqueeze(0) for each in kept if each.picture is not None],
        [each.score for each in kept],
        [each.seed for each in kept],
        [each.number for each in kept],
        outcome.summary,
        as_image(outcome.sheet),
        ui=_shown(outcome, kept),
    )


def _check_names(*chosen: str | None) -> None:
    """Raise DataError for a sampler or scheduler that is not here; None is not known yet."""
    for name, here in zip(chosen, samplers_and_schedulers(), strict=True):
        if name is not None and name not in here:  # core would take another without a word
            raise DataError(f"This ComfyUI has no {name!r}. Choose another sampler or scheduler.")


def _check_rules(
    n: int | None, keep: int | None, pruning: str | None, custom_pruning: str | None, look_with: str | None
) -> None:
    """Raise DataError for what contradicts itself; None is not known yet."""
    if n is not None and not 1 <= n <= _MOST:
        raise DataError(f"n is {n}. Begin 1 to {_MOST} candidates.")
    schedule = _schedule(known(pruning, "off"), known(custom_pruning, ""))
    check_choice(known(look_with, DECODERS[0]), DECODERS, "decoder")
    Rules(known(n, _MOST), known(keep, 1), schedule)


def _schedule(pruning: str, custom: str) -> Schedule:
    if custom.strip():
        return parse_schedule(custom)
    if pruning not in SCHEDULES:
        raise DataError(f"There is no pruning {pruning!r}. Use one of: {', '.join(SCHEDULES)}.")
    return SCHEDULES[pruning]


def _shown(outcome: Outcome, kept: list[Finalist]) -> dict[str, Any]:
    """`all_scores`: of every candidate, null for those given up; `looks`: the scores of half-made ones, by step.

    `spoilt`: which candidates could not be judged, counted from 0.
    """
    return in_node(
        outcome.sheet,
        scores=[each.score for each in kept],
        seeds=[each.seed for each in kept],
        indices=[each.number for each in kept],
        all_scores=outcome.scores,
        looks=[
            {"step": seen.step, "scores": {str(number): score for number, score in seen.scores.items()}}
            for seen in outcome.seen
        ],
        spoilt=outcome.spoilt,
        work=[outcome.work],
        summary=[outcome.summary],
    )
