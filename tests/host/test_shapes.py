"""The shapes generator of `benchmarks.best_of_n` through core's own loaders; skipped where it was not made."""

from __future__ import annotations

import json

import numpy as np
import pytest
from host_support.client import Client
from host_support.pack_prompts import best_of_n_sampler, loaded, save_images
from host_support.prompts import node
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
    prompt = {
        "model": node("UNETLoader", unet_name=FLOW, weight_dtype="default"),
        "vae": node("VAELoader", vae_name=VAE),
        "text": node("ProbeConditioning", width=64, pooled=64),
        "empty": node("EmptySD3LatentImage", width=SIDE, height=SIDE, batch_size=1),
        "load": loaded(taste),
        "best": best_of_n_sampler(steps=20, n=16, keep=8, pruning="gentle"),
        "save": save_images("best", "shapes", images=["best", 1], seed=["best", 3]),
    }
    run = client.run(prompt).expect_success()
    pictures = [client.image(**entry) for entry in run.outputs["save"]["images"]]
    shapes = [read(np.asarray(picture, dtype=np.float32) / 255) for picture in pictures]
    assert len(shapes) == 8
    assert sum(shape is not None for shape in shapes) >= 6
    assert {json.loads(picture.info["ganrm"])["seed"] for picture in pictures} <= set(range(16))
