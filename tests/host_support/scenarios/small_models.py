"""Small models with random weights in ComfyUI's own classes, and sampling with them."""

from __future__ import annotations

import hashlib
import importlib
from functools import cache
from typing import Any

import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.sample
import comfy.sd
import comfy.supported_models
import torch
from torch import Tensor

from host_support.tiny_generator import mmdit

CPU = torch.device("cpu")
SHAPE = (2, 16, 8, 8)
UNET_SHAPE = (2, 4, 8, 8)


def pack(name: str) -> Any:
    """A module of the pack."""
    return importlib.import_module(f"gan_rm_pack.{name}")


def flow_model(dtype: torch.dtype | None = None) -> Any:
    """SD3-like MMDiT, a flow model."""
    options = {"dtype": dtype} if dtype else {}
    return comfy.sd.load_diffusion_model_state_dict(dict(_flow_weights()), model_options=options)


@cache
def _flow_weights() -> dict[str, Tensor]:
    return mmdit(torch.Generator().manual_seed(0))


def eps_model(seed: int = 0) -> Any:
    """SD1.5-like UNet, an eps model."""
    config = comfy.supported_models.SD15(
        {
            "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32, "num_res_blocks": [1, 1],
            "channel_mult": [1, 2], "transformer_depth": [1, 1], "transformer_depth_middle": 1,
            "transformer_depth_output": [1, 1, 1, 1], "context_dim": 24, "use_spatial_transformer": True,
            "use_linear_in_transformer": False, "adm_in_channels": None, "legacy": False, "dtype": torch.float32,
        }
    )  # fmt: skip
    config.set_inference_dtype(torch.float32, None)
    model = comfy.model_base.BaseModel(config, model_type=comfy.model_base.ModelType.EPS, device=CPU)
    random = torch.Generator().manual_seed(seed)
    state = {
        name: torch.randn(tensor.shape, generator=random) / (2 * max(tensor[0].numel(), 1) ** 0.5)
        if tensor.ndim > 1
        else torch.full_like(tensor, float(name.endswith("weight")))
        for name, tensor in model.diffusion_model.state_dict().items()
    }
    state["out.2.weight"] /= 10  # else rounding grows from step to step
    model.diffusion_model.load_state_dict(state)
    return comfy.model_patcher.ModelPatcher(model, load_device=CPU, offload_device=CPU)


def flux_model() -> Any:
    """Flux-like: a flow model whose blocks write into their inputs, and which knows reference latents."""
    import comfy.ldm.flux.model as flux

    newer = {"txt_ids_dims": []} if "txt_ids_dims" in flux.FluxParams.__dataclass_fields__ else {}
    config = comfy.supported_models.Flux(
        {
            "image_model": "flux", "in_channels": 16, "out_channels": 16, "patch_size": 2, "hidden_size": 64,
            "num_heads": 2, "mlp_ratio": 2.0, "depth": 2, "depth_single_blocks": 2, "vec_in_dim": 2048,
            "context_in_dim": 4096, "axes_dim": [8, 12, 12], "theta": 10000, "qkv_bias": True,
            "guidance_embed": True, "dtype": torch.float32, **newer,
        }
    )  # fmt: skip
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model({}, "", device=CPU)
    random = torch.Generator().manual_seed(0)
    state = {
        name: torch.randn(tensor.shape, generator=random) / max(tensor[0].numel(), 1) ** 0.5
        if tensor.ndim > 1
        else torch.full_like(tensor, float(name.endswith("scale")))
        for name, tensor in model.diffusion_model.state_dict().items()
    }
    model.diffusion_model.load_state_dict(state)
    return comfy.model_patcher.ModelPatcher(model, load_device=CPU, offload_device=CPU)


def prompts(width: int = 4096, count: int = 2) -> Any:
    """A `PromptSet` of random conditionings of different lengths."""
    random = torch.Generator().manual_seed(1)

    def conditioning(words: int) -> Any:
        tensor = torch.randn(1, words, width, generator=random)
        return [[tensor, {"pooled_output": torch.randn(1, 2048, generator=random)}]]

    positive = tuple(conditioning(5 + number) for number in range(count))
    texts = tuple(f"prompt {number}" for number in range(count))
    return pack("nodes.host.training.prompt_set").PromptSet(texts, positive, "", conditioning(3))


def settings(**changed: Any) -> Any:
    return pack("ganrm_core.post_training.config").LoraSettings(**{"rank": 4, "alpha": 4.0, **changed})


def trainable(model: Any, given: Any = None, shape: tuple[int, ...] = SHAPE, **options: Any) -> Any:
    """The context manager, with a LoRA of rank 4."""
    lora = options.pop("lora", None) or settings()
    return pack("nodes.host.training.denoiser").trainable(
        model, prompts() if given is None else given, lora, shape, **options
    )


def sampled(model: Any, given: Any = None, shape: tuple[int, ...] = SHAPE, seed: int = 3) -> Tensor:
    """The latent of one seed, as KSampler makes it with the first prompt."""
    # A random eps model leaves noise of σ 14.6 where it was: it begins later.
    part = 0.2 if shape == UNET_SHAPE else 1.0
    given = given or prompts()
    empty = torch.zeros(1, *shape[1:])
    noise = comfy.sample.prepare_noise(empty, seed)
    sampler = (4, 3.0, "euler", "simple", given.positive[0], given.negative, empty)
    with torch.inference_mode():
        made: Tensor = comfy.sample.sample(model, noise, *sampler, denoise=part, disable_pbar=True, seed=seed)
    return made.clone()


def noisy_batch(
    denoiser: Any, shape: tuple[int, ...] = SHAPE, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Clean latents, noise levels, and noisy latents."""
    random = torch.Generator().manual_seed(seed)
    clean = denoiser.to_model_scale(torch.randn(shape, generator=random))
    sampling = denoiser.sampling
    low, high = float(sampling.sigma_min), float(sampling.sigma_max)
    sigma = torch.linspace(0.2, 0.8, shape[0]) * (min(high, 2.0) - low) + low
    noise = torch.randn(shape, generator=random)
    return clean, sigma, sampling.noise_scaling(sigma, noise, clean)


def train(denoiser: Any, steps: int = 3, rate: float = 5e-3, shape: tuple[int, ...] = SHAPE) -> list[float]:
    """So many steps of Adam on the error of x̂; the losses."""
    optimizer = torch.optim.Adam(denoiser.parameters, lr=rate)
    losses = []
    for step in range(steps):
        clean, sigma, noisy = noisy_batch(denoiser, shape, step)
        loss = (denoiser.denoise(noisy, sigma, step % 2) - clean).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def fingerprint(model: Any) -> str:
    """SHA-256 of every bit of the weights."""
    seen = hashlib.sha256()
    for name, tensor in model.model.state_dict().items():
        seen.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        seen.update(tensor.detach().contiguous().view(torch.uint8).numpy().tobytes())
    return seen.hexdigest()


def left_behind(model: Any) -> dict[str, Any]:
    """What a training could leave in a model: changed bits, forwards, gradients, attention."""
    import comfy.ldm.modules.attention as attention
    import comfy.ldm.modules.diffusionmodules.mmdit as mmdit_module

    modules = dict(model.model.named_modules())
    return {
        "bits": fingerprint(model),
        "forwards": [name for name, module in modules.items() if "forward" in vars(module)],
        "wanting": sorted(name for name, weight in model.model.named_parameters() if weight.requires_grad),
        "gradients": [name for name, weight in model.model.named_parameters() if weight.grad is not None],
        "attention": mmdit_module.optimized_attention is attention.optimized_attention,
        "patcher": model.model.current_patcher is None,
        "told": getattr(comfy.model_management, "in_training", False),
        "injections": list(model.injections),
    }
