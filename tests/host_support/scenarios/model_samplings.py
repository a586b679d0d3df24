"""Errors of the velocity, as the training weighs predictions, beside what ComfyUI's own sampling classes say they are.

The network's output is put in by hand, so that the whole way from it to the error is measured: ComfyUI's wrapper, our
denoiser, the scalings found from the outside, and the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.model_base
import comfy.model_sampling
import torch
from torch import Tensor

from host_support.scenarios.small_models import UNET_SHAPE, eps_model, pack, prompts, trainable

SIGMAS = (0.05, 0.3, 0.6, 0.9)
HIGH_SIGMAS = (*SIGMAS, 3.0, 14.0)
"""Where the noise is added to the picture instead of mixed with it."""


def errors() -> dict[str, dict[str, list[float]]]:
    """Of every class: the errors that the training computes (float32), and those that the class implies (float64)."""
    return {name: _errors(make) for name, make in _samplings().items()}


def _errors(make: Callable[[], Any]) -> dict[str, list[float]]:
    sampling = make()
    mixed = _noisy(sampling, 0.5, torch.zeros(1, 1), torch.ones(1, 1)) != 1
    sigma = torch.tensor(SIGMAS if mixed else HIGH_SIGMAS)
    random = torch.Generator().manual_seed(0)
    clean, noise, output = (torch.randn(len(sigma), *UNET_SHAPE[1:], generator=random) for _ in range(3))
    return {
        "computed": _computed(sampling, sigma, clean, noise, output),
        "implied": _implied(make().double(), *(each.double() for each in (sigma, clean, noise, output))),
    }


def _computed(sampling: Any, sigma: Tensor, clean: Tensor, noise: Tensor, output: Tensor) -> list[float]:
    """By the host's denoiser, of a network that gives `output`."""
    model = eps_model().clone()
    model.add_object_patch("model_sampling", sampling)
    hook = model.model.diffusion_model.register_forward_hook(lambda *_: output)
    losses, scalings = (pack(f"ganrm_core.post_training.{name}") for name in ("losses", "scalings"))
    try:
        with trainable(model, prompts(24), UNET_SHAPE) as denoiser, torch.no_grad():
            assert denoiser.sampling is sampling
            noisy = denoiser.sampling.noise_scaling(_wide(sigma), noise.clone(), clean)
            denoised = denoiser.denoise(noisy, sigma, 0)
            found: Tensor = losses.denoising_errors(
                denoised, clean, scalings.scalings(denoiser.sampling, sigma)
            )
    finally:
        hook.remove()
    assert found.dtype == torch.float32
    return found.tolist()


def _implied(sampling: Any, sigma: Tensor, clean: Tensor, noise: Tensor, output: Tensor) -> list[float]:
    """By definition: of the noise and picture that the class takes `output` for, the velocity less the true one."""
    found = []
    for number, level in enumerate(sigma.tolist()):
        x0, eps = clean[number], noise[number]
        signal = _noisy(sampling, level, torch.zeros_like(x0), torch.ones_like(x0))
        scale = _noisy(sampling, level, torch.ones_like(x0), torch.zeros_like(x0))
        noisy = _noisy(sampling, level, eps, x0)
        told_x0 = sampling.calculate_denoised(torch.tensor([level]).double(), output[number], noisy)
        told_eps = (noisy - signal * told_x0) / scale
        length = (signal.square() + scale.square()).sqrt()
        velocity, told = ((signal * e - scale * x) / length for e, x in ((eps, x0), (told_eps, told_x0)))
        found.append(float((told - velocity).square().mean()))
    return found


def _noisy(sampling: Any, sigma: float, noise: Tensor, clean: Tensor) -> Tensor:
    made: Tensor = sampling.noise_scaling(torch.tensor([sigma]).to(noise), noise.clone(), clean)
    return made


def _wide(sigma: Tensor) -> Tensor:
    return sigma.reshape(-1, 1, 1, 1)


def _samplings() -> dict[str, Callable[[], Any]]:
    """What makes each sampling object that this ComfyUI's models and nodes have and that adds noise."""
    config = eps_model().model.model_config
    kinds = comfy.model_base.ModelType

    def of_type(kind: Any, **settings: float) -> Callable[[], Any]:
        def make() -> Any:
            sampling = comfy.model_base.model_sampling(config, kind)
            if settings:
                sampling.set_parameters(**settings)
            return sampling

        return make

    def x0() -> Any:
        return type("X0Sampling", (comfy.model_sampling.ModelSamplingDiscrete, comfy.model_sampling.X0), {})()

    def louder() -> Any:
        sampling = comfy.model_base.model_sampling(config, kinds.FLOW)
        sampling.set_noise_scale(2.0)
        return sampling

    edm = {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5}
    newer = hasattr(comfy.model_sampling.ModelSamplingDiscreteFlow, "set_noise_scale")
    return {
        **{kind.name: of_type(kind) for kind in kinds if not kind.name.startswith("IMG_TO_IMG")},
        "EDM, sigma_data .5": of_type(kinds.EDM, **edm),
        "V_PREDICTION_EDM, sigma_data .5": of_type(kinds.V_PREDICTION_EDM, **edm),
        "FLOW, shift 3": of_type(kinds.FLOW, shift=3.0),
        "X0": x0,
        **({"FLOW, noise times 2": louder} if newer else {}),
    }
