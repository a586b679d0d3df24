"""Which kind of diffusion model a MODEL is: models of one kind take the same latents and prompts."""

from __future__ import annotations

from typing import Any


def model_family(model: Any) -> str:
    """Such as "SDXL, SDXL latents, prompts of 2048 values". `model`: a ModelPatcher."""
    inner = model.model
    config = getattr(getattr(inner, "model_config", None), "unet_config", None) or {}
    words = [type(inner).__name__, f"{type(inner.latent_format).__name__} latents"]
    if width := config.get("context_dim") or config.get("context_in_dim"):
        words.append(f"prompts of {width} values")
    return ", ".join(words)
