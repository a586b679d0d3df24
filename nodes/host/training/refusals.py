"""What cannot be trained right, refused before anything is computed."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import comfy.ops
import torch

from ....ganrm_core.utils.errors import DataError
from .prompt_set import Conditioning, PromptSet

_ANOTHER_MODEL = "Train with an image model that takes nothing but text."
# Conditioning's options, and what made them.
_CONDITIONS = {
    "control": ("a ControlNet", "Apply ControlNet"),
    "gligen": ("GLIGEN boxes", "GLIGEN Textbox Apply"),
    "area": ("an area of the picture", "Conditioning (Set Area)"),
    "mask": ("a mask", "Conditioning (Set Mask)"),
    "hooks": ("hooks", "Cond Set Props"),
    "start_percent": ("a range of steps", "ConditioningSetTimestepRange"),
    "end_percent": ("a range of steps", "ConditioningSetTimestepRange"),
    "concat_latent_image": ("a picture to paint into", "InpaintModelConditioning"),
    "noise_concat": ("a picture to paint into", "the image-to-video or inpainting node"),
    "unclip_conditioning": ("a picture as prompt", "unCLIPConditioning"),
    "clip_vision_output": ("a picture as prompt", "the node that takes a CLIP vision output"),
    "clip_vision_outputs": ("pictures as prompt", "the node that takes CLIP vision outputs"),
    "reference_latents": ("a picture to edit or follow", "ReferenceLatent, or the text encoder that takes a picture,"),
    "concat_image": ("a picture to enlarge", "SD_4XUpscale_Conditioning"),
    "stable_cascade_prior": ("another model's latents", "StableCascade_StageB_Conditioning"),
    "clip_start_percent": ("prompts that change with the steps", "the node that sets hooks for CLIP"),
    "clip_end_percent": ("prompts that change with the steps", "the node that sets hooks for CLIP"),
    "default": ("a default prompt", "Cond Set Default Combine"),
    **dict.fromkeys(
        (
            "audio_embed", "camera_conditions", "control_video", "face_video_pixels", "guiding_frame_index",
            "keyframe_idxs", "pose_video_latent", "ref_latent", "reference_motion", "time_dim_concat", "vace_frames",
        ),
        ("a clip, picture or sound to follow", "the node that puts it in"),
    ),
}  # fmt: skip
_NO_LIMIT = {"start_percent": 0.0, "end_percent": 1.0, "clip_start_percent": 0.0, "clip_end_percent": 1.0}


def check_trainable(model: Any, prompts: PromptSet, latent_shape: Sequence[int] | None = None) -> None:
    """Raise DataError for a model or prompts that a LoRA cannot be trained with.

    `model`: a ModelPatcher. `latent_shape`: of a batch of latents, [N, C, H, W] or [N, C, 1, H, W].
    """
    if not len(prompts):
        raise DataError("There are no prompts to train on. Connect Prompts (GAN-RM) with at least one line.")
    _check_latents(model, latent_shape)
    _check_noise(model)
    for conditioning in (*prompts.positive, prompts.negative):
        check_conditioning(conditioning)
    _check_patches(model)
    _check_arithmetic(model)


def check_conditioning(conditioning: Conditioning) -> None:
    """Raise DataError for conditions that hold for parts of the picture, for some steps, or come from a picture."""
    for _tensor, options in conditioning:
        for key, (what, node) in _CONDITIONS.items():
            if options.get(key) is not None and options[key] != _NO_LIMIT.get(key):
                raise DataError(
                    f"The prompts hold {what}, which the training does not know. Take out {node} and connect the text "
                    "prompts alone."
                )


def check_no_concat(model_conds: Any) -> None:
    """Raise DataError for processed conditions of a model that sees a picture beside the noise."""
    if "c_concat" in model_conds:
        raise DataError(
            f"This model paints into or follows a given picture (inpainting, image to video). {_ANOTHER_MODEL}"
        )


def _check_latents(model: Any, shape: Sequence[int] | None) -> None:
    if getattr(model.model, "concat_keys", ()):
        check_no_concat({"c_concat"})
    if getattr(model.model.latent_format, "latent_dimensions", 2) == 1:
        raise DataError(f"This model makes sound or solids, not pictures. {_ANOTHER_MODEL}")
    if shape is None:
        return
    if len(shape) not in (4, 5) or (len(shape) == 5 and shape[2] > 1):
        raise DataError(
            "These latents are no still pictures. Videos cannot be trained on yet: set the length to one frame."
        )


def _check_noise(model: Any) -> None:
    sampling = model.get_model_object("model_sampling")
    if any(kind.__name__.startswith("IMG_TO_IMG") for kind in type(sampling).__mro__):
        raise DataError(
            "This model turns one picture into another (into a depth map, a larger one and the like), and makes none out "
            f"of noise. {_ANOTHER_MODEL}"
        )


def _check_patches(model: Any) -> None:
    options = model.model_options
    if (
        getattr(model, "hook_patches", None)
        or getattr(model, "forced_hooks", None)
        or options.get("registered_hooks")
    ):
        raise DataError(
            "The model has hooks (LoRAs or weights that come and go with the steps). Take out the nodes that set "
            "hooks, or put the LoRA in with Load LoRA."
        )
    if options.get("context_handler") is not None:
        raise DataError(
            "The model looks at its picture through context windows. Take that node out before the training; the LoRA can "
            "be used with it afterwards."
        )
    if "easycache" in options.get("transformer_options", {}):
        raise DataError(
            "EasyCache and LazyCache reuse what the model gave for the step before, through which nothing can be "
            "learned. Take that node out before the training."
        )
    compiled = any("compile" in str(key) for kind in model.wrappers.values() for key in kind)
    if compiled or any(key.split(".")[0] == "diffusion_model" for key in model.object_patches):
        raise DataError(
            "The model is compiled, or parts of it are replaced (TorchCompileModel and the like). Take that node out "
            "before the training; the LoRA can be used with it afterwards."
        )


def _check_arithmetic(model: Any) -> None:
    if any(map(_multiplies_in_float8, model.model.diffusion_model.modules())):
        raise DataError(
            "This model multiplies in float8 (--fast fp8_matrix_mult), through which nothing can be learned. Start "
            "ComfyUI without that option: the float8 weights can stay."
        )


def _multiplies_in_float8(module: Any) -> bool:
    weight = getattr(module, "weight", None)
    if getattr(weight, "dtype", None) != torch.float8_e4m3fn:
        return False
    if isinstance(module, comfy.ops.fp8_ops.Linear):
        return True
    # Scaled float8 keeps its choice in the closure of the class.
    cast = getattr(type(module), "forward_comfy_cast_weights", None)
    closure = inspect.getclosurevars(cast).nonlocals if inspect.isfunction(cast) else {}
    return bool(closure.get("fp8_matrix_mult"))
