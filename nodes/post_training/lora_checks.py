"""What Train LoRA on Groups refuses, warns about, and says when memory runs out."""

from __future__ import annotations

from typing import Any

from ...ganrm_core.post_training.config import LoraSettings, Method
from ...ganrm_core.utils.errors import DataError
from ..host.model_family import model_family
from ..host.training.fingerprints import known_fingerprint
from ..host.training.prompt_set import PromptedGroups

_GUIDANCE = (
    "sampler_cfg_function",
    "sampler_pre_cfg_function",
    "sampler_post_cfg_function",
    "sampler_calc_cond_batch_function",
)


def check_groups(model: Any, groups: PromptedGroups) -> None:
    """Raise DataError for no groups at all, and for latents of another kind of model."""
    if not groups.groups.groups:
        raise DataError("There are no groups to learn from. Make some with Make Groups.")
    made_by, family = groups.groups.family, model_family(model)
    if made_by and made_by != family:
        raise DataError(
            f"These groups were made with another kind of model ({made_by}), and this one is {family}. Connect the model "
            "they were made with, or make groups with this one."
        )
    channels = model.model.latent_format.latent_channels
    shapes = {tuple(group.latents.shape[1:]) for group in groups.groups.groups}
    (found, *_), *_ = shapes
    if found != channels:
        raise DataError(
            f"These groups were made with another kind of model: their latents have {found} channels, and this model "
            f"makes {channels}. Connect the model they were made with, or make groups with this one."
        )
    if len(shapes) > 1:
        raise DataError("These groups are of several sizes. Make them all at one size.")
    if any(group.prompt >= len(groups.prompts) for group in groups.groups.groups):
        raise DataError(
            "These groups are of other prompts than the ones that came with them. Make them again."
        )


def check_guidance(model: Any, cfg: float, method: Method) -> None:
    """Raise DataError where `best` would learn another guidance than the one that made the pictures.

    It trains the guided prediction, negative + cfg · (positive − negative); nodes that change guidance keep a function
    in the model's options, and perhaps a state from step to step.
    """
    if guidance_is_changed(model) and method == "best" and cfg != 1.0:
        raise DataError(
            "A node changes this model's guidance (RescaleCFG, perturbed attention and the like), and 'best' learns from "
            "plain guidance. Set the method to 'pairs', or make the groups without that node and connect the model "
            "without it; it can be used with the LoRA afterwards."
        )


def guidance_is_changed(model: Any) -> bool:
    """Whether a node has put another guidance in place of negative + cfg · (positive − negative)."""
    return any(model.model_options.get(key) for key in _GUIDANCE)


def input_warnings(model: Any, fingerprint: str, groups: PromptedGroups, vae: Any | None) -> list[str]:
    """Sentences on what does not belong together, though it can be trained. `fingerprint`: of the model."""
    made, found = groups.groups, []
    if made.model and fingerprint and made.model != fingerprint:
        found.append(
            "The groups were made with another model than the one connected, or with other LoRAs in it. A model learns "
            "best from its own pictures: connect the one they were made with, unless you mean it."
        )
    if vae is not None and made.vae and made.vae != known_fingerprint("vae", vae):
        found.append("The previews are decoded with another VAE than the one the groups were judged with.")
    return [*found, *trained_on_top(model)]


def trained_on_top(model: Any) -> list[str]:
    """A sentence where the model has a LoRA in it already."""
    if not getattr(model, "patches", None):
        return []
    return ["This model already has a LoRA in it, and the new one was trained on top: use both together."]


def no_memory_words(lora: LoraSettings, checkpointing: bool | None) -> str:
    """What to lower, in order, where a single picture is too much."""
    advice = [
        *(["set gradient checkpointing to 'on'"] if checkpointing is False else []),
        *(["train fewer layers ('attention')"] if lora.layers != "attention" else []),
        *(["lower the rank"] if lora.rank > 4 else []),
        "make the groups at a smaller size",
        "close other programs that use the graphics card, or start ComfyUI with --lowvram",
    ]
    return (
        "There is not enough memory to train this model, not even with one picture at a time. In this order: "
        f"{'; '.join(advice)}."
    )
