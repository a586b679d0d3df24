"""Prompts of core nodes that tests build upon."""

from __future__ import annotations

from typing import Any

from host_support.tiny_generator import CHECKPOINT, VAE

Json = dict[str, Any]


def node(class_type: str, **inputs: Any) -> Json:
    """A node of an API prompt; a link is [node, slot]."""
    return {"class_type": class_type, "inputs": inputs}


def text_to_image(
    text: str = "a picture",
    *,
    seed: int = 0,
    side: int = 64,
    count: int = 1,
    steps: int = 3,
    sampler: str = "euler",
) -> Json:
    """A prompt for the tiny generator: nodes "model", "vae", "text", "empty", "sampler", "decode" (IMAGE, side px).

    It has no output node: add one, {**text_to_image(), "save": node("SaveImage", images=["decode", 0], …)}.
    """
    return {
        "model": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "vae": node("VAELoader", vae_name=VAE),
        "text": node("CLIPTextEncode", text=text, clip=["model", 1]),
        "empty": node("EmptySD3LatentImage", width=side, height=side, batch_size=count),
        "sampler": node(
            "KSampler",
            model=["model", 0],
            positive=["text", 0],
            negative=["text", 0],
            latent_image=["empty", 0],
            seed=seed,
            steps=steps,
            cfg=1.0,
            sampler_name=sampler,
            scheduler="simple",
            denoise=1.0,
        ),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["vae", 0]),
    }
