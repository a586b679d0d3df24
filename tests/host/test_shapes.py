"""The generator of shapes that Best of N is measured on, through core's own loaders; skipped where it was not made."""

from __future__ import annotations

import json

import numpy as np
import pytest
from host_support.client import Client
from host_support.pack_prompts import loaded
from host_support.prompts import Json, node
from host_support.server import Server, link

from benchmarks.shapes.drawing import SIDE
from benchmarks.shapes.files import FLOW, VAE, generator_folder
from benchmarks.shapes.reading import read

pytestmark = pytest.mark.skipif(
    not (generator_folder() / FLOW).is_file(),
    reason="no generator of shapes: python -m benchmarks.shapes.training makes it",
)


def test_its_pictures_can_be_read_and_the_node_keeps_some(client: Client, server: Server, taste: str) -> None:
    for folder, name in (("diffusion_models", FLOW), ("vae", VAE)):
        place = server.folder("models", folder)
        place.mkdir(exist_ok=True)
        link(generator_folder() / name, place / name)
    prompt: Json = {
        "model": node("UNETLoader", unet_name=FLOW, weight_dtype="default"),
        "vae": node("VAELoader", vae_name=VAE),
        "text": node("ProbeConditioning", width=64, pooled=64),
        "empty": node("EmptySD3LatentImage", width=SIDE, height=SIDE, batch_size=1),
        "load": loaded(taste),
        "best": node(
            "GANRMBestOfNSampler",
            model=["model", 0],
            seed=0,
            steps=20,
            cfg=1.0,
            sampler_name="euler",
            scheduler="simple",
            positive=["text", 0],
            negative=["text", 0],
            latent_image=["empty", 0],
            denoise=1.0,
            vae=["vae", 0],
            reward=["load", 0],
            n=16,
            keep=8,
            pruning="gentle",
            custom_pruning="",
            look_with="vae",
            together=1,
            stop_below=0.0,
            round_size=4,
        ),
        "save": node(
            "GANRMSaveImages",
            images=["best", 1],
            filename_prefix="shapes",
            format="png",
            quality=95,
            seed=["best", 3],
        ),
    }
    run = client.run(prompt, timeout=300).expect_success()
    pictures = [client.image(**entry) for entry in run.outputs["save"]["images"]]
    shapes = [read(np.asarray(picture, dtype=np.float32) / 255) for picture in pictures]
    assert len(shapes) == 8
    assert sum(shape is not None for shape in shapes) >= 6
    assert {json.loads(picture.info["ganrm"])["seed"] for picture in pictures} <= set(range(16))
