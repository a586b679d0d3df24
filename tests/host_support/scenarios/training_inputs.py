"""What the training of a LoRA is given: LoRAs to start from, and models and prompts that it refuses; fingerprints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.model_base
import comfy.model_patcher
import comfy.ops
import comfy.sd
import torch
from torch import Tensor

from host_support.scenarios.small_models import (
    SHAPE,
    UNET_SHAPE,
    eps_model,
    flow_model,
    flux_model,
    pack,
    prompts,
    sampled,
    settings,
    train,
    trainable,
)

_LAYER = "diffusion_model.joint_blocks.0.x_block.attn"
_DIFFUSERS = "transformer.transformer_blocks.0.attn"


def own_lora() -> dict[str, Any]:
    return _started_from(_lora())


def kohya_lora() -> dict[str, Any]:
    """Kohya's names: dots become underscores."""

    def renamed(name: str) -> str:
        for end in (".lora_up.weight", ".lora_down.weight", ".alpha"):
            if name.endswith(end):
                layer = name.removesuffix(end).removeprefix("diffusion_model.")
                return f"lora_unet_{layer.replace('.', '_')}{end}"
        raise AssertionError(name)

    text = {"lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": torch.zeros(4, 4)}
    return _started_from({**{renamed(name): tensor for name, tensor in _lora().items()}, **text})


def diffusers_lora() -> dict[str, Any]:
    """diffusers' names, with q, k and v of one layer apart, each of its own rank."""
    random = torch.Generator().manual_seed(2)
    found = {}
    for rank, part in enumerate(("to_q", "to_k", "to_v"), start=2):
        found[f"{_DIFFUSERS}.{part}.lora_A.weight"] = torch.randn(rank, 128, generator=random) / 8
        found[f"{_DIFFUSERS}.{part}.lora_B.weight"] = torch.randn(128, rank, generator=random) / 8
    return _started_from(found)


def further_layers() -> dict[str, Any]:
    """A LoRA that has more layers than are asked for."""
    return _started_from(_lora(lora=settings(layers="attention and mlp")), lora=settings(rank=8))


def goes_on_training() -> dict[str, float]:
    start = _lora()
    with trainable(flow_model(), start=start) as denoiser:
        train(denoiser)
        found = denoiser.lora_dict()
    return {"moved": max(float((found[name] - start[name]).abs().max()) for name in start)}


def refused_loras() -> dict[str, str]:
    fits = {
        f"{_LAYER}.qkv.lora_up.weight": torch.zeros(384, 2),
        f"{_LAYER}.qkv.lora_down.weight": torch.zeros(2, 128),
    }
    loha = {
        f"{_LAYER}.qkv.{part}": torch.zeros(shape)
        for part, shape in {
            "hada_w1_a": (384, 2), "hada_w1_b": (2, 128), "hada_w2_a": (384, 2), "hada_w2_b": (2, 128),
        }.items()
    }  # fmt: skip
    cases = {
        "another model": {"diffusion_model.nowhere.lora_up.weight": torch.zeros(4, 2)},
        "nothing": {},
        "shapes": {**fits, f"{_LAYER}.qkv.lora_down.weight": torch.zeros(2, 64)},
        "outputs": {**fits, f"{_LAYER}.qkv.lora_up.weight": torch.zeros(64, 2)},
        "not finite": {**fits, f"{_LAYER}.qkv.lora_up.weight": torch.full((384, 2), torch.nan)},
        "magnitudes": {**fits, f"{_LAYER}.qkv.dora_scale": torch.ones(384, 1)},
        "another kind": loha,
        "biases": {**fits, f"{_LAYER}.qkv.diff_b": torch.zeros(384)},
    }
    model = flow_model()
    return {name: _refusal(model, start=start) for name, start in cases.items()}


def refused_models() -> dict[str, str]:
    def inpainting(model: Any) -> None:
        model.model.concat_keys = ("mask", "masked_image")

    def with_hooks(model: Any) -> None:
        model.hook_patches = {"hook": {}}

    def easycache(model: Any) -> None:
        model.model_options["transformer_options"]["easycache"] = object()

    def context_windows(model: Any) -> None:
        model.model_options["context_handler"] = object()

    def compiled(model: Any) -> None:
        model.add_object_patch("diffusion_model", torch.nn.Linear(1, 1))

    def sound(model: Any) -> None:
        model.model.latent_format.latent_dimensions = 1

    def float8(model: Any) -> None:
        layer = comfy.ops.fp8_ops.Linear(4, 4, dtype=torch.float8_e4m3fn)
        model.model.diffusion_model.added = layer

    def streamed(model: Any) -> None:
        model.is_dynamic = lambda: True
        model.clone = _raise_no_loader

    def depth_maps(model: Any) -> None:
        base = comfy.model_base
        sampling = base.model_sampling(model.model.model_config, base.ModelType.IMG_TO_IMG)
        model.add_object_patch("model_sampling", sampling)

    changes = (
        inpainting,
        depth_maps,
        with_hooks,
        easycache,
        context_windows,
        compiled,
        sound,
        float8,
        streamed,
    )
    return {change.__name__: _refusal(_changed(change)) for change in changes}


def refused_latents() -> dict[str, str]:
    return {
        "video": _refusal(flow_model(), shape=(1, 16, 5, 8, 8)),
        "one frame": pack("nodes.host.training.refusals").check_trainable(
            flow_model(), prompts(), (1, 16, 1, 8, 8)
        )
        or "",
        "sound": _refusal(flow_model(), shape=(1, 16, 8)),
    }


def refused_prompts() -> dict[str, str]:
    given, model = prompts(), flow_model()
    kind = type(given)

    def with_option(**options: Any) -> str:
        ((tensor, before),) = given.positive[0]
        return _refusal(
            model, kind(given.texts, ([[tensor, {**before, **options}]],) * 2, "", given.negative)
        )

    cases = {
        "none": _refusal(model, kind((), (), "", given.negative)),
        "negative": _refusal(
            model, kind(given.texts, given.positive, "", [[torch.zeros(1), {"control": 1}]])
        ),
        "whole range": with_option(start_percent=0.0, end_percent=1.0),
        "half the range": with_option(start_percent=0.5, end_percent=1.0),
        "strength": with_option(strength=0.5),
        "whole range of CLIP": with_option(clip_start_percent=0.0, clip_end_percent=1.0),
        "half the range of CLIP": with_option(clip_start_percent=0.5, clip_end_percent=1.0),
        "reference": _refusal(
            flux_model(), kind(given.texts, tuple(map(_with_reference, given.positive)), "", given.negative)
        ),
    }
    options = (
        "control", "gligen", "area", "mask", "hooks", "unclip_conditioning", "clip_vision_output",
        "concat_latent_image", "concat_image", "noise_concat", "stable_cascade_prior", "vace_frames",
    )  # fmt: skip
    return {**cases, **{name: with_option(**{name: torch.ones(1)}) for name in options}}


def _with_reference(conditioning: Any) -> Any:
    """As an edit model is given its picture."""
    from comfy_extras.nodes_edit_model import ReferenceLatent

    return ReferenceLatent.execute(conditioning, {"samples": torch.ones(1, *SHAPE[1:])}).result[0]


def seen_pictures() -> str:
    """Of a model that sees a picture beside the noise whatever its prompt says, as those do that follow instructions."""
    model = flow_model()
    model.model.concat_cond = lambda noise, **_: torch.zeros_like(noise)
    try:
        with trainable(model) as denoiser:
            train(denoiser, 1)
    except pack("ganrm_core.utils.errors").DataError as error:
        return str(error)
    return ""


def frozen_patches() -> str:
    """A patch that holds tensors made in inference mode."""
    model = eps_model()
    held = torch.ones(64, 64)

    def patch(q: Tensor, context: Tensor, value: Tensor, _options: Any) -> Any:
        return q @ torch.eye(q.shape[-1]) @ held[:, :1].expand(-1, q.shape[-1])[: q.shape[-1]], context, value

    model.set_model_attn1_patch(patch)
    try:
        with trainable(model, prompts(24), UNET_SHAPE) as denoiser:
            train(denoiser, shape=UNET_SHAPE)
    except pack("ganrm_core.utils.errors").DataError as error:
        return str(error)
    return ""


def notes() -> dict[str, list[str]]:
    found = {}
    chosen = pack("nodes.host.training.layer_choice").chosen_layers
    with torch.inference_mode(False):
        plain = torch.nn.Sequential(
            torch.nn.Linear(4, 4), torch.nn.Conv2d(4, 4, 3), torch.nn.Conv2d(4, 4, 3, groups=2)
        )
        for layers in ("attention", "attention and mlp", "all linear", "all"):
            names, said = chosen(plain, layers)
            found[layers] = [*names, *said]
        try:
            chosen(torch.nn.ReLU(), "all")
        except pack("ganrm_core.utils.errors").DataError as error:
            found["none"] = [str(error)]
    return found


def model_fingerprints() -> dict[str, str]:
    """Of one model in many states: those whose names begin alike must be alike."""
    of = pack("nodes.host.training.fingerprints").model_fingerprint
    import comfy_extras.nodes_model_advanced as advanced

    model, lora = flow_model(), _lora()
    found = {"base": of(model), "base loaded anew": of(flow_model())}
    sampled(model)
    found["base after sampling"] = of(model)
    with trainable(model) as denoiser:
        train(denoiser)
        found["training"] = of(denoiser.sampling_model)
    found["base after training"] = of(model)

    def patched(strength: float) -> Any:
        return comfy.sd.load_lora_for_models(model, None, lora, strength, 0)[0]

    with_lora = patched(1.0)
    found["lora"] = of(with_lora)
    sampled(with_lora)
    found["lora after sampling"] = of(with_lora)
    found["base while the lora is loaded"] = of(model)
    found["lora again"] = of(patched(1.0))
    found["weaker"] = of(patched(0.5))
    shift = advanced.ModelSamplingSD3()
    found["shift"] = of(shift.patch(model, 5.0)[0])
    found["shift again"] = of(shift.patch(model, 5.0)[0])
    found["other shift"] = of(shift.patch(model, 6.0)[0])
    for name, strength in (("patch", 1.0), ("patch again", 1.0), ("stronger patch", 2.0)):
        clone = model.clone()
        clone.set_model_attn1_patch(_attention_patch(strength))
        found[name] = of(clone)
    other_model = eps_model()
    for name, holder in (
        ("patch with a model", _Holder(model, 1.0)),
        ("patch with a model again", _Holder(model, 1.0)),
        ("patch with another model", _Holder(other_model, 1.0)),
        ("stronger patch with a model", _Holder(model, 2.0)),
    ):
        clone = model.clone()
        clone.set_model_attn1_patch(holder)
        found[name] = of(clone)
    nested: Any = 1
    for _ in range(20):
        nested = [nested]
    clone = model.clone()
    clone.model_options["transformer_options"]["nested"] = nested
    found["too deep"] = of(clone)
    changed = flow_model()
    with torch.inference_mode():
        changed.model.diffusion_model.final_layer.linear.bias += 1e-3
    found["changed"] = of(changed)
    return found


def prompt_fingerprints() -> dict[str, str]:
    of = pack("nodes.host.training.fingerprints").conditioning_fingerprint
    one, other = prompts().positive
    ((tensor, options),) = one
    return {
        "one": of(one),
        "one again": of(prompts().positive[0]),
        "other": of(other),
        "pooled": of([[tensor, {**options, "pooled_output": options["pooled_output"] + 1}]]),
        "more": of([[tensor, {**options, "guidance": 3.5}]]),
    }


def vae_fingerprints() -> dict[str, str]:
    of = pack("nodes.host.training.fingerprints").vae_fingerprint

    def vae(by: float) -> Any:
        from host_support.tiny_generator import vae_tensors

        tensors = vae_tensors(torch.Generator().manual_seed(0))
        tensors["taesd_decoder.1.weight"] = tensors["taesd_decoder.1.weight"] + by
        return comfy.sd.VAE(sd=tensors)

    return {"vae": of(vae(0)), "vae again": of(vae(0)), "other": of(vae(0.1))}


class _Holder:
    """A patch that holds a whole model, as core's ModelPatchLoader has them."""

    def __init__(self, patcher: Any, strength: float) -> None:
        self.patcher, self.strength = patcher, strength

    def __call__(
        self, q: Tensor, context: Tensor, value: Tensor, _options: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        return q * self.strength, context, value


def _attention_patch(strength: float) -> Callable[..., Any]:
    return lambda q, context, value, _options: (q * strength, context, value)


def _lora(**options: Any) -> dict[str, Tensor]:
    with trainable(flow_model(), **options) as denoiser:
        train(denoiser)
        found: dict[str, Tensor] = denoiser.lora_dict()
    return found


def _started_from(start: dict[str, Tensor], **options: Any) -> dict[str, Any]:
    """How far the picture at the start of training is from the one that core's loader makes with this LoRA."""
    model = flow_model()
    loaded, _ = comfy.sd.load_lora_for_models(model, None, dict(start), 1.0, 0)
    with trainable(model, start=start, **options) as denoiser:
        made = sampled(denoiser.sampling_model)
        layers = denoiser.layers.layers
        ranks = sorted({len(layer.down) for layer in layers.values()})
        return {
            "difference": float((made - sampled(loaded)).abs().max()),
            "does": float((made - sampled(model)).abs().max()),
            "notes": denoiser.notes,
            "ranks": ranks,
            "layers": len(layers),
        }


def _changed(change: Callable[[Any], None]) -> Any:
    model = flow_model()
    with torch.inference_mode(False):
        change(model)
    return model


def _raise_no_loader(**_options: Any) -> Any:
    raise RuntimeError("Cannot create non-dynamic delegate: cached_patcher_init is not initialized.")


def _refusal(model: Any, given: Any = None, shape: tuple[int, ...] = SHAPE, **options: Any) -> str:
    """The sentence with which a training is refused; "" if it is not."""
    try:
        with trainable(model, given, shape, **options):
            return ""
    except pack("ganrm_core.utils.errors").DataError as error:
        return str(error)
