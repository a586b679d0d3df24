"""Training of the shape generator: python -m benchmarks.shapes.training [--minutes 18]

An SD3-shaped flow model of 16 latent channels and a TAESD-shaped VAE, both built from the classes of the ComfyUI at
$COMFYUI_PATH (else ~/ComfyUI), on images rendered during training. Saved in
`files.generator_folder()`, in the formats ComfyUI loads.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from .comfy import add_comfyui
from .drawing import any_shape
from .files import FLOW, VAE, generator_folder

LATENT = 16
SHIFT = 3.0  # of SD3's sigmas
_SCALE, _OFFSET = 1.5305, 0.0609  # of SD3's latent format
_DEPTH = 3
_CONTEXT, _POOLED = 64, 64
_BATCH = 256
_PICTURES = 20_000
_VAE_SHARE = 0.7


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the generator of shapes.")
    parser.add_argument("--minutes", type=float, default=18, help="for both networks together (default 18)")
    options = parser.parse_args()
    train(generator_folder(), options.minutes)


def train(folder: Path, minutes: float) -> None:
    """Train VAE and flow model into `folder`, for about `minutes` on two cores."""
    add_comfyui()
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    pictures = torch.from_numpy(np.stack([any_shape(rng).picture() for _ in range(_PICTURES)])).movedim(-1, 1)
    vae = train_vae(pictures, 60 * minutes * _VAE_SHARE)
    latents = encode(vae, pictures)
    flow = train_flow(latents, 60 * minutes * (1 - _VAE_SHARE))
    folder.mkdir(parents=True, exist_ok=True)
    _write(vae.state_dict(), folder / VAE)
    _write(flow.state_dict(), folder / FLOW)


def train_vae(pictures: Tensor, seconds: float) -> nn.Module:
    """Minimise absolute plus squared reconstruction error, with slightly noisy latents."""
    from comfy.taesd.taesd import TAESD

    vae = TAESD(latent_channels=LATENT)
    for module in vae.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for name, module in vae.named_modules():  # residual blocks begin as the identity
        if name.endswith("conv.4"):
            nn.init.zeros_(module.weight)  # type: ignore[arg-type]
    vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trained = [*vae.taesd_encoder.parameters(), *vae.taesd_decoder.parameters()]
    clock = _Clock("VAE", seconds, trained, 2e-3)
    while clock.running():
        some = pictures[torch.randint(len(pictures), (16,))].contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            latents = vae.taesd_encoder(some)
            decoded = vae.taesd_decoder(latents + 0.05 * torch.randn_like(latents))
        error = F.l1_loss(decoded.float(), some) + F.mse_loss(decoded.float(), some)
        clock.step(error + 1e-3 * latents.float().square().mean())
    _standardise(vae, pictures)
    return vae.eval().requires_grad_(False)


@torch.no_grad()
def _standardise(vae: nn.Module, pictures: Tensor) -> None:
    """Give the latents the mean and the spread that SD3's latent format expects: 0 and 1 after its own scaling."""
    latents = torch.cat([vae.taesd_encoder(part) for part in pictures[:512].split(64)])
    mean, spread = latents.mean(), latents.std()
    vae.vae_scale.fill_(float(spread) * _SCALE)
    vae.vae_shift.fill_(_OFFSET - float(mean) / float(vae.vae_scale))


@torch.no_grad()
def encode(vae: nn.Module, pictures: Tensor) -> Tensor:
    """Latents in SD3's latent format, as the flow model sees them."""
    encoded = torch.cat([vae.encode(part * 2 - 1) for part in pictures.split(64)])
    return (encoded - _OFFSET) * _SCALE


def train_flow(latents: Tensor, seconds: float) -> nn.Module:
    """Rectified flow (Liu et al. 2022), timesteps drawn as SD3 draws them (Esser et al. 2024), weights averaged."""
    from comfy.ldm.modules.diffusionmodules.mmdit import OpenAISignatureMMDITWrapper

    width = 64 * _DEPTH
    flow = OpenAISignatureMMDITWrapper(
        input_size=None,
        patch_size=2,
        in_channels=LATENT,
        depth=_DEPTH,
        adm_in_channels=_POOLED,
        context_embedder_config={
            "target": "torch.nn.Linear",
            "params": {"in_features": _CONTEXT, "out_features": width},
        },
        operations=torch.nn,
        dtype=torch.float32,
    )
    for name, parameter in flow.named_parameters():  # adaLN-Zero (Peebles and Xie 2023)
        if "adaLN_modulation" in name or name.startswith("final_layer.linear"):
            nn.init.zeros_(parameter)
    average = {name: tensor.clone() for name, tensor in flow.state_dict().items()}
    context, pooled = torch.zeros(1, 1, _CONTEXT), torch.zeros(1, _POOLED)
    clock = _Clock("flow", seconds, list(flow.parameters()), 1e-3)
    while clock.running():
        clean = latents[torch.randint(len(latents), (_BATCH,))]
        noise = torch.randn_like(clean)
        uniform = torch.rand(len(clean)) if clock.count % 2 else torch.sigmoid(torch.randn(len(clean)))
        sigma = SHIFT * uniform / (1 + (SHIFT - 1) * uniform)
        mixed = torch.lerp(clean, noise, sigma.view(-1, 1, 1, 1))
        with torch.autocast("cpu", torch.bfloat16):
            given = flow(
                mixed,
                sigma * 1000,
                context=context.expand(len(clean), -1, -1),
                y=pooled.expand(len(clean), -1),
            )
        clock.step(F.mse_loss(given.float(), noise - clean))
        keep = min(0.999, (1 + clock.count) / (10 + clock.count))
        for name, tensor in flow.state_dict().items():
            average[name].lerp_(tensor, 1 - keep)
    flow.load_state_dict(average)
    return flow.eval().requires_grad_(False)


class _Clock:
    """Adam with warm-up and cosine decay over a time budget in seconds."""

    def __init__(self, name: str, seconds: float, parameters: list[nn.Parameter], rate: float) -> None:
        self.count = 0
        self._name, self._seconds, self._rate = name, seconds, rate
        self._parameters = parameters
        self._optimiser = torch.optim.Adam(parameters, lr=rate, betas=(0.9, 0.99))
        self._start = self._said = time.monotonic()

    def running(self) -> bool:
        return time.monotonic() - self._start < self._seconds

    def step(self, loss: Tensor) -> None:
        now = time.monotonic()
        done = min(1.0, (now - self._start) / self._seconds)
        warm = min(1.0, (self.count + 1) / 100)
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate * warm * (1 + np.cos(np.pi * done)) / 2
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimiser.step()
        self.count += 1
        if now - self._said >= 30:
            self._said = now
            print(f"{self._name}: {done:.0%}, step {self.count}, loss {float(loss.detach()):.4f}", flush=True)


def _write(tensors: dict[str, Tensor], path: Path) -> None:
    save_file({name: tensor.contiguous().half() for name, tensor in tensors.items()}, str(path))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
