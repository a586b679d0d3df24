"""Workflows 2 and 8 for other generators, run on the tiny one: all their nodes but the three that load files."""

from __future__ import annotations

import json
from typing import Any

import pytest
from host_support.client import Client
from host_support.pack_prompts import all_of, only, shipped_graph, small_prompt
from host_support.prompts import Json, node
from host_support.tiny_generator import CHECKPOINT, VAE

GENERATORS = ("Flux", "Qwen-Image", "Z-Image")

pytestmark = pytest.mark.usefixtures("taste")


@pytest.mark.parametrize("generator", GENERATORS)
def test_the_best_four_of_sixteen_are_saved_and_the_rest_shown(client: Client, generator: str) -> None:
    name = f"2 Best 4 of 16 ({generator})"
    prompt = on_the_tiny_generator(name)
    run = client.run(prompt, workflow=shipped_graph(name)).expect_success()
    saved, best = (run.outputs[only(prompt, kind)] for kind in ("GANRMSaveImages", "GANRMBestOfN"))
    assert len(run.outputs[only(prompt, "PreviewImage")]["images"]) == 12
    assert saved["scores"] == sorted(best["scores"], reverse=True)[:4]
    for entry, index in zip(saved["images"], saved["indices"], strict=True):
        about = json.loads(client.image(**entry).info["ganrm"])
        assert (about["index"], about["seed"]) == (index, 42)


@pytest.mark.parametrize("generator", GENERATORS)
def test_the_best_of_those_begun_are_what_ksampler_makes_of_their_seeds(
    client: Client, generator: str
) -> None:
    prompt = on_the_tiny_generator(f"8 At half the work ({generator})")
    sampler = only(prompt, "GANRMBestOfNSampler")
    given: Json = prompt[sampler]["inputs"]
    again = {key: given[key] for key in _OF_KSAMPLER}
    prompt["again"] = node("KSampler", **{**again, "seed": [sampler, 3], "steps": given["steps"]})
    prompt["decoded"] = node("VAEDecode", samples=["again", 0], vae=given["vae"])
    prompt["made again"] = node("SaveImage", images=["decoded", 0], filename_prefix="again")
    run = client.run(prompt).expect_success()
    shown = run.outputs[sampler]
    assert len(shown["all_scores"]) == 16
    assert shown["work"][0] < 0.7
    saved = run.outputs[only(prompt, "GANRMSaveImages")]["images"]
    assert len(saved) == 4
    for kept, same in zip(saved, run.outputs["made again"]["images"], strict=True):
        assert client.image(**kept).tobytes() == client.image(**same).tobytes()


_OF_KSAMPLER = (
    *("model", "cfg", "sampler_name", "scheduler", "positive", "negative", "latent_image", "denoise"),
)


def on_the_tiny_generator(name: str) -> Json:
    """The workflow made small, with one checkpoint in the place of a diffusion model and its text encoders."""
    prompt = small_prompt(name)
    model = only(prompt, "UNETLoader")
    (text,) = (*all_of(prompt, "CLIPLoader"), *all_of(prompt, "DualCLIPLoader"))
    prompt[model] = node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    del prompt[text]
    for each in prompt.values():
        each["inputs"] = {key: _moved(value, text, model) for key, value in each["inputs"].items()}
    prompt[only(prompt, "VAELoader")]["inputs"]["vae_name"] = VAE
    return prompt


def _moved(value: Any, text: str, model: str) -> Any:
    return [model, 1] if value == [text, 0] else value
