"""Stand-ins for ComfyUI's sampling: each picture is as bright as its seed's noise, so the best seeds are known."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from contract_support.rewards import Bright

NODE, CUSTOM = "GANRMBestOfNSampler", "GANRMBestOfNSamplerCustom"
STEPS = 10


@dataclass
class Noise:
    """As RandomNoise, save that seed s is worth ((7 · s) mod 16) / 16 everywhere, plus a little grain."""

    seed: int = 0

    def generate_noise(self, latent: dict[str, Any]) -> Tensor:
        generator = torch.manual_seed(self.seed)
        return worth(self.seed) + 0.001 * torch.randn(latent["samples"].shape, generator=generator)


def worth(seed: int) -> float:
    return (7 * seed % 16) / 16


class Guider:
    """Its model returns its input and records the calls."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        """The batch size of each call."""
        shape = {"latent_channels": 4, "latent_dimensions": 2, "latent_rgb_factors": [[1.0, 0.0, 0.0]] * 4}
        latent_format = SimpleNamespace(taesd_decoder_name=None, **shape)
        model = SimpleNamespace(latent_format=latent_format, process_latent_out=lambda x: x)
        self.model_patcher = SimpleNamespace(
            model=model,
            load_device=torch.device("cpu"),
            get_model_object=lambda _: latent_format,
            model_dtype=lambda: torch.float32,
            size=0,
        )
        self.model_options: dict[str, Any] = {"transformer_options": {}}

    def sample(self, noise: Tensor, latent: Tensor, sampler: Any, sigmas: Tensor, **options: Any) -> Tensor:
        extra = {"model_options": self.model_options, "seed": options["seed"]}
        mask, callback = options["denoise_mask"], options["callback"]
        result: Tensor = sampler.sample(self, sigmas, extra, callback, noise, latent, mask, disable_pbar=True)
        return result

    def __call__(self, x: Tensor, sigma: Tensor, **named: Any) -> Tensor:
        assert set(named) == {"model_options", "seed"}
        assert sigma.shape == x.shape[:1]
        self.asked.append(len(x))
        return x.clone()


@dataclass
class Stepping:
    """A minimal sampler; `grain` adds torch's global random numbers at each step."""

    grain: float = 0.0
    fail_at: int | None = None
    ended: int = 0

    def sample(self, model: Any, sigmas: Tensor, *given: Any, disable_pbar: bool) -> Tensor:
        extra_args, callback, noise, latent, _mask = given
        assert disable_pbar
        assert model.model_options is extra_args["model_options"]
        x = noise + latent
        try:
            for step in range(len(sigmas) - 1):
                if step == self.fail_at:
                    raise ValueError("the sampler broke")
                clean = model(x, sigmas[step] * torch.ones(len(x)), **extra_args)
                callback(step, clean, x, len(sigmas) - 1)
                x = clean + self.grain * torch.randn_like(x)
            return x
        finally:
            self.ended += 1

    def max_denoise(self, *_: Any) -> bool:
        return True


class Vae:
    """A pixel is the mean of its latent's channels."""

    def decode(self, latents: Tensor) -> Tensor:
        grey = latents.mean(dim=1).clamp(0, 1)
        return grey.unsqueeze(-1).expand(-1, -1, -1, 3)


@pytest.fixture
def reloads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls of `load_models_gpu`. A picture of a call takes `size` bytes of the model, twice for both prompts."""
    from comfy import model_management, sampler_helpers

    found: list[Any] = []

    def estimate(patcher: Any, shape: list[int], _conds: Any) -> tuple[int, int]:
        return 2 * patcher.size * shape[0], patcher.size * shape[0]

    def load(models: Any, **memory: Any) -> None:
        found.append((models, memory))

    monkeypatch.setattr(sampler_helpers, "estimate_memory", estimate, raising=False)
    monkeypatch.setattr(sampler_helpers, "get_additional_models", lambda *_: ([], 7), raising=False)
    monkeypatch.setattr(model_management, "load_models_gpu", load)
    return found


@pytest.fixture
def run_sampler(pack: Any, folders: Any, reloads: list[Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """(**inputs) → the result of the custom node on 16 candidates, nothing pruned; previews only with `draw_live`."""

    def run_node(draw_live: bool = False, **inputs: Any) -> Any:
        given = {
            "noise": Noise(),
            "guider": Guider(),
            "sampler": Stepping(),
            "sigmas": torch.linspace(1, 0, STEPS + 1),
            "latent_image": {"samples": torch.zeros(1, 4, 16, 16)},
            "vae": Vae(),
            "reward": Bright(pack),
            "n": 16,
            "keep": 1,
            "pruning": "off",
        }
        with monkeypatch.context() as patch:
            if not draw_live:  # it takes most of the time
                run = pack.module("nodes.best_of_n.halving_run").HalvingRun
                patch.setattr(run, "draw", lambda *_: Image.new("RGB", (8, 8)))
            return pack.run(CUSTOM, **{**given, **inputs})

    return run_node


def best_seeds(count: int, seeds: range = range(16)) -> list[int]:
    return sorted(seeds, key=worth, reverse=True)[:count]
