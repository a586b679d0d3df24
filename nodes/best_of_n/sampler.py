"""Nodes "Best-of-N Sampler" and "Best-of-N Sampler, Custom"."""

from __future__ import annotations

import math
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.search_path import KEY
from ...ganrm_core.selection.steering import Search
from ...ganrm_core.utils.time_left import Phase
from ..display.candidates import Latent
from ..display.given_prompts import prompt_of_all
from ..display.previews import as_image, in_node
from ..display.sampling_inputs import sampling_inputs
from ..host.progress import live_progress, show_last
from ..host.sampling.sampling_setup import (
    KSamplerSettings,
    Setup,
    as_ksampler,
    as_sampler_custom,
    check_names,
    check_steps,
)
from ..sockets import CATEGORY, Schema, aliases
from .halving_result import RungScores
from .halving_run import HalvingRun
from .halving_settings import HalvingSettings
from .sampler_settings import check_settings, known_draft, latent_input, outputs, settings_of, shared_inputs
from .search_run import run_of


class BestOfNSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMBestOfNSampler",
            display_name="Best-of-N Sampler (GAN-RM)",
            search_aliases=aliases(
                "best pick select choose quality seeds generate 最佳",
                "best of n",
                "seed search",
                "many seeds",
                "best seed",
                "pick the best seed",
            ),
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
                *sampling_inputs(
                    steps="How many steps a finished picture takes.",
                    cfg="How closely the pictures follow the prompt (classifier-free guidance).",
                ),
                io.Conditioning.Input("positive", tooltip="What the pictures shall show."),
                io.Conditioning.Input("negative", tooltip="What they shall not show."),
                latent_input(" for img2img"),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the latent is made anew, as in KSampler.",
                ),
                *shared_inputs(),
            ],
            outputs=outputs(),
        )

    @classmethod
    def validate_inputs(
        cls,
        sampler_name: str | None = None,
        scheduler: str | None = None,
        denoise: float | None = None,
        steps: int | None = None,
        n: int | None = None,
        keep: int | None = None,
        pruning: str | None = None,
        custom_pruning: str | None = None,
        look_with: str | None = None,
        search: Search | None = None,
        path: str | None = None,
        draft: str | None = "off",
        draft_strength: str | None = None,
        draft_finals: int | None = None,
    ) -> bool:
        check_names(sampler_name, scheduler)
        if denoise is not None:
            check_steps(math.ceil(denoise))
        drafts = known_draft(draft, draft_strength, draft_finals)
        check_settings(n, keep, pruning, custom_pruning, look_with, search, path, drafts, steps)
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
        vae: Any,
        reward: Reward,
        prompts: Any = None,
        **settings: Any,
    ) -> io.NodeOutput:
        check_names(sampler_name, scheduler)
        sampling = KSamplerSettings(steps, cfg, sampler_name, scheduler, denoise)
        setup = as_ksampler(model, positive, negative, latent_image, seed, sampling)
        rules, prompt = settings_of(**settings), prompt_of_all(reward, prompts)
        return _result(setup, run_of(rules)(setup, vae, reward, rules, prompt), rules)


class BestOfNSamplerCustom(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMBestOfNSamplerCustom",
            display_name="Best-of-N Sampler, Custom (GAN-RM)",
            search_aliases=aliases(
                "best pick quality seeds",
                "best of n",
                "seed search",
                "best seed",
            ),
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
                latent_input(),
                *shared_inputs(),
            ],
            outputs=outputs(),
        )

    @classmethod
    def validate_inputs(
        cls,
        n: int | None = None,
        keep: int | None = None,
        pruning: str | None = None,
        custom_pruning: str | None = None,
        look_with: str | None = None,
        search: Search | None = None,
        path: str | None = None,
        draft: str | None = "off",
        draft_strength: str | None = None,
        draft_finals: int | None = None,
    ) -> bool:
        drafts = known_draft(draft, draft_strength, draft_finals)
        check_settings(n, keep, pruning, custom_pruning, look_with, search, path, drafts)
        return True

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        noise: Any,
        guider: Any,
        sampler: Any,
        sigmas: Tensor,
        latent_image: Latent,
        vae: Any,
        reward: Reward,
        prompts: Any = None,
        **settings: Any,
    ) -> io.NodeOutput:
        setup = as_sampler_custom(noise, guider, sampler, sigmas, latent_image)
        rules, prompt = settings_of(**settings), prompt_of_all(reward, prompts)
        return _result(setup, run_of(rules)(setup, vae, reward, rules, prompt), rules)


def _result(setup: Setup, run: HalvingRun, rules: HalvingSettings) -> io.NodeOutput:
    with live_progress(run.draw, [Phase("Sampling", rules.count, "backbone")]) as show:
        outcome = run.run(show)
    show_last(outcome.sheet)
    kept = outcome.kept
    scores, seeds = [each.score for each in kept], [each.seed for each in kept]
    numbers = [each.number for each in kept]
    paths = [str(each.path) for each in kept]
    return io.NodeOutput(
        [{**setup.latent, "samples": each.latent, KEY: path} for each, path in zip(kept, paths, strict=True)],
        [each.picture.unsqueeze(0) for each in kept if each.picture is not None],
        scores,
        seeds,
        numbers,
        outcome.summary,
        as_image(outcome.sheet),
        paths,
        ui=in_node(
            outcome.sheet,
            scores=scores,
            seeds=seeds,
            indices=numbers,
            all_scores=outcome.scores,
            looks=[_rung_json(rung) for rung in outcome.rungs],
            spoilt=outcome.invalid,
            work=[outcome.work],
            summary=[outcome.summary],
            paths=paths,
        ),
    )


def _rung_json(rung: RungScores) -> dict[str, Any]:
    return {"step": rung.step, "scores": {str(number): score for number, score in rung.scores.items()}}
