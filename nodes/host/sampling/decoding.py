"""Decoders from latents, denoised or in the middle of sampling, to images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import folder_paths
import torch
from torch import Tensor

Decode = Callable[[Tensor], Tensor]
"""Latents [B, C, H, W] → images [B, H, W, 3] in 0–1."""


def vae_decoder(vae: Any) -> Decode:
    """Decoder for latents as a sampler node returns them; the same as core's VAE Decode."""

    def decode(latents: Tensor) -> Tensor:
        pictures: Tensor = vae.decode(latents)
        return pictures.reshape(-1, *pictures.shape[-3:])

    return decode


def half_made_decoder(model: Any, decode: Decode) -> Decode:
    """`decode` for latents inside a sampler, which are in the model's own scale."""
    return lambda latents: decode(model.process_latent_out(latents.float()).cpu())


def preview_decoder(model: Any, device: torch.device) -> Decode | None:
    """Core's small preview decoder (TAESD) for latents inside a sampler.

    None if models/vae_approx has no file for this kind of model.
    """
    path = _preview_decoder_file(model.latent_format)
    if path is None:
        return None
    import comfy.taesd.taesd  # not every runtime has it

    with torch.inference_mode(False):
        small = comfy.taesd.taesd.TAESD(None, path, latent_channels=model.latent_format.latent_channels)
        small = small.to(device)

    def decode(latents: Tensor) -> Tensor:
        # One by one, as core does: TAESD is not under the memory manager.
        pictures = torch.cat([small.decode(each).cpu() for each in latents.float().to(device).split(1)])
        return ((pictures + 1) / 2).clamp(0, 1).movedim(1, -1)

    return decode


def rough_decoder(model: Any) -> Decode | None:
    """Core's linear latent-to-RGB preview, one pixel per latent position; None if the format has no factors."""
    factors = getattr(model.latent_format, "latent_rgb_factors", None)
    if factors is None:
        return None
    weight = torch.tensor(factors).transpose(0, 1)
    bias = getattr(model.latent_format, "latent_rgb_factors_bias", None)

    def decode(latents: Tensor) -> Tensor:
        still = latents.float().cpu()
        still = still[:, :, 0] if still.ndim == 5 else still
        colours = torch.nn.functional.linear(
            still.movedim(1, -1), weight, None if bias is None else torch.tensor(bias)
        )
        return ((colours + 1) / 2).clamp(0, 1)

    return decode


def _preview_decoder_file(latent_format: Any) -> str | None:
    name = getattr(latent_format, "taesd_decoder_name", None)
    files = folder_paths.get_filename_list("vae_approx") if name else []
    found = next((file for file in files if file.startswith(name)), None)
    return folder_paths.get_full_path("vae_approx", found) if found else None
