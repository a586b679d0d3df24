"""Prompts of core and probe nodes that tests build upon."""

from __future__ import annotations

from typing import Any

from host_support.client import Client
from host_support.tiny_generator import CHECKPOINT, VAE

Json = dict[str, Any]


def node(class_type: str, **inputs: Any) -> Json:
    """A node of an API prompt; a link is [node, slot]."""
    return {"class_type": class_type, "inputs": inputs}


def text_to_image(
    text: str = "a picture", *, seed: int = 0, side: int = 64, count: int = 1, steps: int = 3
) -> Json:
    """A prompt for the tiny generator: nodes "model", "vae", "text", "empty", "sampler", "decode" (IMAGE, side px).

    It has no output node: add one, {**text_to_image(), "save": node("SaveImage", images=["decode", 0], …)}.
    """
    return {
        "model": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "vae": node("VAELoader", vae_name=VAE),
        "text": node("CLIPTextEncode", text=text, clip=["model", 1]),
        "empty": node("EmptySD3LatentImage", width=side, height=side, batch_size=count),
        "sampler": node("KSampler", **sampling(seed=seed, steps=steps), negative=["text", 0]),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["vae", 0]),
    }


def sampling(**inputs: Any) -> Json:
    """What KSampler takes, without the negative prompt."""
    given = {"model": ["model", 0], "positive": ["text", 0], "latent_image": ["empty", 0]}
    widgets = {
        "seed": 0,
        "steps": 3,
        "cfg": 1.0,
        "sampler_name": "euler",
        "scheduler": "simple",
        "denoise": 1.0,
    }
    return {**given, **widgets, **inputs}


def images(sizes: str, **inputs: Any) -> Json:
    """A node that makes pictures of sizes such as "64x48, 64x48". form: "batch" or "list"; seed; frames."""
    return node("ProbeImages", sizes=sizes, **inputs)


def echo(label: str, *links: list[Any]) -> Json:
    """A node that records the values of some links under a label; see `echoed`."""
    return node("ProbeEcho", label=label, **{_value(i): link for i, link in enumerate(links)})


def echoed(client: Client, label: str, place: int = 0) -> list[Any]:
    """What an echo got last over its link number `place`, item by item."""
    values: list[Any] = client.get("/probe/echo")[label][-1][_value(place)]
    return values


def digests(latents: list[Json]) -> list[str]:
    """The digest of every latent, item by item."""
    return [digest for latent in latents for digest in latent["samples"]["sha256"]]


def _value(place: int) -> str:
    return f"value{place or ''}"
