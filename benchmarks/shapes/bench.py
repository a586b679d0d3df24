"""Sampling from the shape generator in this process, with ComfyUI's loaders and samplers."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .comfy import add_comfyui
from .drawing import SIDE
from .files import EPS, FLOW, VAE, generator_folder
from .prompts import FREE, prompt_vectors

ROOT = Path(__file__).resolve().parents[2]
_PACK = "gan_rm_pack"
_LATENT = 16


def conditioning(prompt: str) -> list[list[Any]]:
    """ComfyUI's CONDITIONING of a prompt."""
    context, pooled = prompt_vectors(prompt)
    return [[context, {"pooled_output": pooled}]]


def pack(name: str) -> Any:
    """A module of the pack as ComfyUI sees it, such as "nodes.best_of_n.halving_run"."""
    add_comfyui()
    if _PACK not in sys.modules:
        package = ModuleType(_PACK)
        package.__path__ = [str(ROOT)]
        sys.modules[_PACK] = package
    return importlib.import_module(f"{_PACK}.{name}")


class Bench:
    """Generator and VAE; `eps` for the noise-predicting twin of the flow model.

    Raises SystemExit if they have not been trained yet.
    """

    def __init__(self, eps: bool = False) -> None:
        path = generator_folder() / (EPS if eps else FLOW)
        if not path.is_file():
            raise SystemExit("There is no generator yet. Make it: python -m benchmarks.shapes.training")
        add_comfyui()
        import comfy.sd
        import comfy.utils

        self.model = comfy.sd.load_diffusion_model(str(path))
        if eps:
            from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete

            (self.model,) = ModelSamplingDiscrete().patch(self.model, "eps", False)
        self.vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(generator_folder() / VAE)))
        self.conditioning = conditioning(FREE)

    def empty(self, count: int = 1) -> dict[str, Any]:
        return {"samples": torch.zeros(count, _LATENT, SIDE // 8, SIDE // 8)}

    def setup(
        self, seed: int, steps: int, sampler: str = "euler", denoise: float = 1.0, **latent: Tensor
    ) -> Any:
        """Sampler inputs for the Best-of-N Sampler; `latent` overrides parts of the empty latent."""
        module = pack("nodes.host.sampling.sampling_setup")
        settings = module.KSamplerSettings(steps, 1.0, sampler, "simple", denoise)
        start = {**self.empty(), **latent}
        return module.as_ksampler(self.model, self.conditioning, self.conditioning, start, seed, settings)

    def alone(self, seed: int, steps: int, sampler: str) -> Tensor:
        """The latent that ComfyUI's KSampler makes for one seed."""
        import comfy.sample

        start = self.empty()["samples"]
        noise = comfy.sample.prepare_noise(start, seed)
        return self._sampled(noise, steps, sampler, start, seed, None)

    def many(self, seeds: Sequence[int], steps: int) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Finished pictures [B, H, W, 3] of so many seeds, and what the model predicts of them after each step."""
        import comfy.sample

        starts = self.empty(len(seeds))["samples"]
        noise = torch.cat([comfy.sample.prepare_noise(starts[:1], seed) for seed in seeds])
        predicted: list[Tensor] = []
        done = self._sampled(
            noise, steps, "euler", starts, 0, lambda _step, clean, _x, _total: predicted.append(clean)
        )
        out = self.model.model.process_latent_out
        return self.pictures(done), [self.pictures(out(clean)) for clean in predicted]

    def prompted(
        self, prompt: str, seeds: Sequence[int], steps: int, cfg: float, model: Any = None
    ) -> Tensor:
        """Latents [B, C, H, W] that `model` (default: the generator) makes of one prompt."""
        import comfy.sample

        starts = self.empty(len(seeds))["samples"]
        noise = torch.cat([comfy.sample.prepare_noise(starts[:1], seed) for seed in seeds])
        with torch.inference_mode():
            made: Tensor = comfy.sample.sample(
                model or self.model,
                noise,
                steps,
                cfg,
                "euler",
                "normal",
                conditioning(prompt),
                conditioning(FREE),
                starts,
                disable_pbar=True,
                seed=0,
            )
        return made

    def pictures(self, latents: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            decoded: NDArray[np.float32] = self.vae.decode(latents.float().cpu()).numpy()
        return decoded

    def encoded(self, pictures: Tensor) -> Tensor:
        """Latents of pictures [B, H, W, 3] in 0–1, as a sampler node returns them."""
        with torch.inference_mode():
            latents: Tensor = self.vae.encode(pictures)
        return latents.clone()

    def _sampled(
        self, noise: Tensor, steps: int, sampler: str, start: Tensor, seed: int, callback: Any
    ) -> Tensor:
        import comfy.sample

        with torch.inference_mode():
            made: Tensor = comfy.sample.sample(
                self.model,
                noise,
                steps,
                1.0,
                sampler,
                "simple",
                self.conditioning,
                self.conditioning,
                start,
                callback=callback,
                disable_pbar=True,
                seed=seed,
            )
        return made

    @contextmanager
    def counted(self) -> Iterator[list[int]]:
        """Context manager: the batch size of every model call made inside it."""
        import comfy.model_base

        calls: list[int] = []
        whole = comfy.model_base.BaseModel.apply_model

        def apply(model: Any, x: Tensor, *rest: Any, **named: Any) -> Tensor:
            calls.append(len(x))
            made: Tensor = whole(model, x, *rest, **named)
            return made

        comfy.model_base.BaseModel.apply_model = apply
        try:
            yield calls
        finally:
            comfy.model_base.BaseModel.apply_model = whole
