"""Training of the shape generator: python -m benchmarks.shapes.training

A TAESD-shaped VAE of 16 latent channels and two SD3-shaped transformers on its latents, one that predicts a rectified
flow and one that predicts the noise, all built from the classes of the ComfyUI at $COMFYUI_PATH (else ~/ComfyUI). The
kind of shape is the prompt; one in ten is trained without, for classifier-free guidance (Ho and Salimans 2022). The
number of steps is fixed, so the result does not depend on the load of the machine. Saved in
`files.generator_folder()`, in the formats ComfyUI loads; parts that are there already are kept.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from .comfy import add_comfyui
from .drawing import KINDS, any_shape
from .files import EPS, FLOW, VAE, generator_folder
from .prompts import CONTEXT, FREE, POOLED, PROMPTS, prompt_vectors

LATENT = 16
SHIFT = 3.0  # of SD3's sigmas
_SCALE, _OFFSET = 1.5305, 0.0609  # of SD3's latent format
_DEPTH = 3
_BATCH, _VAE_BATCH = 256, 16
_PICTURES = 20_000
_VAE_STEPS, _TRANSFORMER_STEPS = 2000, 2400
_WITHOUT_PROMPT = 0.1

Draw = Callable[[Tensor, int], tuple[Tensor, Tensor, Tensor]]
"""(clean latents, step) → network input, timestep in 0–1000 [B], target."""


def main() -> None:
    argparse.ArgumentParser(description="Train the generator of shapes.").parse_args()
    train(generator_folder())


def train(folder: Path) -> None:
    """Train what `folder` lacks of VAE, flow model and noise-predicting model: about 16 minutes on two cores."""
    add_comfyui()
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    shapes = [any_shape(rng) for _ in range(_PICTURES)]
    pictures = torch.from_numpy(np.stack([shape.picture() for shape in shapes])).movedim(-1, 1)
    kinds = torch.tensor([KINDS.index(shape.kind) for shape in shapes])
    folder.mkdir(parents=True, exist_ok=True)
    vae = _kept_or_trained(folder / VAE, _new_vae(), lambda vae: train_vae(vae, pictures))
    latents = encode(vae, pictures)
    for name, draw in ((FLOW, flow_example), (EPS, noise_example())):
        _kept_or_trained(folder / name, _new_transformer(), _with(draw, name, latents, kinds))


def _with(draw: Draw, name: str, latents: Tensor, kinds: Tensor) -> Callable[[nn.Module], None]:
    return lambda network: train_transformer(network, name, latents, kinds, draw)


def _kept_or_trained(path: Path, network: nn.Module, fit: Callable[[nn.Module], None]) -> nn.Module:
    """The network from `path` if it is there, else trained by `fit` and saved there in half precision."""
    if not path.is_file():
        torch.manual_seed(0)
        fit(network)
        halves = {name: tensor.contiguous().half() for name, tensor in network.state_dict().items()}
        save_file(halves, str(path))
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", flush=True)
    network.load_state_dict(load_file(str(path)))
    return network.eval().requires_grad_(False)


def _new_vae() -> nn.Module:
    from comfy.taesd.taesd import TAESD

    vae: nn.Module = TAESD(latent_channels=LATENT)
    for module in vae.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for name, module in vae.named_modules():  # residual blocks begin as the identity
        if name.endswith("conv.4"):
            nn.init.zeros_(module.weight)  # type: ignore[arg-type]
    return vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def train_vae(vae: nn.Module, pictures: Tensor) -> None:
    """Minimise absolute plus squared reconstruction error, with slightly noisy latents."""
    trained = [*vae.taesd_encoder.parameters(), *vae.taesd_decoder.parameters()]
    optimiser = _Optimiser("VAE", _VAE_STEPS, trained, 2e-3)
    for _ in range(_VAE_STEPS):
        some = pictures[torch.randint(len(pictures), (_VAE_BATCH,))]
        some = some.contiguous(memory_format=torch.channels_last)
        with _half_precision():
            latents = vae.taesd_encoder(some)
            decoded = vae.taesd_decoder(latents + 0.05 * torch.randn_like(latents))
        error = F.l1_loss(decoded.float(), some) + F.mse_loss(decoded.float(), some)
        optimiser.step(error + 1e-3 * latents.float().square().mean())
    _standardise(vae, pictures)


def _half_precision() -> torch.autocast:
    """bfloat16 where the processor computes in it; emulated, a convolution takes forty times as long as in float32."""
    fast = torch.backends.cpu.get_cpu_capability().startswith(("AVX512", "AMX"))
    return torch.autocast("cpu", torch.bfloat16, enabled=fast)


@torch.no_grad()
def _standardise(vae: nn.Module, pictures: Tensor) -> None:
    """Give the latents the mean and the spread that SD3's latent format expects: 0 and 1 after its own scaling."""
    latents = torch.cat([vae.taesd_encoder(part) for part in pictures[:512].split(64)])
    mean, spread = latents.mean(), latents.std()
    vae.vae_scale.fill_(float(spread) * _SCALE)
    vae.vae_shift.fill_(_OFFSET - float(mean) / float(vae.vae_scale))


@torch.no_grad()
def encode(vae: nn.Module, pictures: Tensor) -> Tensor:
    """Latents in SD3's latent format, as the transformers see them."""
    encoded = torch.cat([vae.encode(part * 2 - 1) for part in pictures.split(64)])
    return (encoded - _OFFSET) * _SCALE


def _new_transformer() -> nn.Module:
    from comfy.ldm.modules.diffusionmodules.mmdit import OpenAISignatureMMDITWrapper

    network: nn.Module = OpenAISignatureMMDITWrapper(
        input_size=None,
        patch_size=2,
        in_channels=LATENT,
        depth=_DEPTH,
        adm_in_channels=POOLED,
        context_embedder_config={
            "target": "torch.nn.Linear",
            "params": {"in_features": CONTEXT, "out_features": 64 * _DEPTH},
        },
        operations=torch.nn,
        dtype=torch.float32,
    )
    for name, parameter in network.named_parameters():  # adaLN-Zero (Peebles and Xie 2023)
        if "adaLN_modulation" in name or name.startswith("final_layer.linear"):
            nn.init.zeros_(parameter)
    return network


def flow_example(clean: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rectified flow (Liu et al. 2022), timesteps drawn as SD3 draws them (Esser et al. 2024)."""
    noise = torch.randn_like(clean)
    uniform = torch.rand(len(clean)) if step % 2 else torch.sigmoid(torch.randn(len(clean)))
    sigma = SHIFT * uniform / (1 + (SHIFT - 1) * uniform)
    return torch.lerp(clean, noise, sigma.view(-1, 1, 1, 1)), sigma * 1000, noise - clean


def noise_example() -> Draw:
    """Noise prediction (Ho et al. 2020) with the schedule of ComfyUI's eps models (Stable Diffusion 1.5's)."""
    import comfy.model_sampling

    sigmas = comfy.model_sampling.ModelSamplingDiscrete().sigmas

    def draw(clean: Tensor, _step: int) -> tuple[Tensor, Tensor, Tensor]:
        index = torch.randint(len(sigmas), (len(clean),))
        sigma, noise = sigmas[index].view(-1, 1, 1, 1), torch.randn_like(clean)
        return (clean + sigma * noise) / (1 + sigma.square()).sqrt(), index.float(), noise

    return draw


def train_transformer(network: nn.Module, name: str, latents: Tensor, kinds: Tensor, draw: Draw) -> None:
    """Minimise the squared error of what `draw` asks for, conditioned on the kind; the weights are averaged (EMA)."""
    average = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    vectors = [prompt_vectors(prompt) for prompt in (*PROMPTS, FREE)]
    contexts, pooled = (torch.cat(parts) for parts in zip(*vectors, strict=True))
    optimiser = _Optimiser(name, _TRANSFORMER_STEPS, list(network.parameters()), 1e-3)
    for step in range(_TRANSFORMER_STEPS):
        rows = torch.randint(len(latents), (_BATCH,))
        prompt = torch.where(torch.rand(_BATCH) < _WITHOUT_PROMPT, len(PROMPTS), kinds[rows])
        mixed, timestep, target = draw(latents[rows], step)
        with _half_precision():
            given = network(mixed, timestep, context=contexts[prompt], y=pooled[prompt])
        optimiser.step(F.mse_loss(given.float(), target))
        keep = min(0.999, (1 + step) / (10 + step))
        for key, tensor in network.state_dict().items():
            average[key].lerp_(tensor, 1 - keep)
    network.load_state_dict(average)


class _Optimiser:
    """Adam with warm-up and cosine decay over a number of steps, and a line of progress every half minute."""

    def __init__(self, name: str, steps: int, parameters: list[nn.Parameter], rate: float) -> None:
        self._name, self._steps, self._rate = name, steps, rate
        self._parameters = parameters
        self._optimiser = torch.optim.Adam(parameters, lr=rate, betas=(0.9, 0.99))
        self._done = 0
        self._start = self._said = time.monotonic()

    def step(self, loss: Tensor) -> None:
        warm = min(1.0, (self._done + 1) / 100)
        rate = self._rate * warm * (1 + np.cos(np.pi * self._done / self._steps)) / 2
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimiser.step()
        self._done += 1
        now = time.monotonic()
        if now - self._said >= 30 or self._done == self._steps:
            self._said = now
            print(
                f"{self._name}: step {self._done} of {self._steps}, loss {float(loss.detach()):.4f}, "
                f"{now - self._start:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
