"""Core's newer sources of pictures: its dataset nodes, and pictures in half precision."""

from __future__ import annotations

from pathlib import Path

import pytest
from host_support.client import Client
from host_support.drawn_pictures import fill_folder
from host_support.fixtures import MakeServer, link_models
from host_support.install import ComfyUI
from host_support.pack_prompts import best_of_n, image_folder, save_images, scored, training
from host_support.prompts import Json, node, text_to_image
from host_support.server import Server

FROM_FOLDER = "LoadImageDataSetFromFolder"


@pytest.fixture
def core_dataset(client: Client) -> Json:
    """Core's node that reads a folder as a list of pictures."""
    if FROM_FOLDER not in client.object_info():
        pytest.skip("this ComfyUI has no dataset nodes")
    return node(FROM_FOLDER, folder="liked")


def test_a_folder_that_core_reads_is_scored_chosen_from_and_trained_on(
    client: Client, taste: str, pictures: int, core_dataset: Json
) -> None:
    prompt = {
        **training(name="from_core"),
        "images": core_dataset,
        "ours": node("GANRMImagesToDataset", images=["images", 0]),
        "load": node("GANRMLoadModel", model=taste),
        "score": scored(),
        "best": best_of_n(reward=["load", 0], keep=3),
        "saved": save_images("best", "core/best", scores=["best", 6]),
        "add": node("GANRMAddToDataset", images=["images", 0], dataset_name="from_core", pick="1-4"),
    }
    prompt["train"]["inputs"]["liked"] = ["ours", 0]
    run = client.run(prompt, timeout=600).expect_success()
    assert len(run.outputs["score"]["scores"]) == pictures
    assert len(run.outputs["best"]["indices"]) == len(run.outputs["saved"]["images"]) == 3
    assert run.outputs["add"]["added"] == [4]
    assert run.outputs["save"]["path"] == ["from_core.safetensors"]


def test_captions_that_core_reads_are_the_prompts(client: Client, server: Server, core_dataset: Json) -> None:
    folder = server.folder("input", "captioned")
    fill_folder(folder, "liked", 3)
    for number, path in enumerate(sorted(folder.glob("*.png")), start=1):
        path.with_suffix(".txt").write_text("x" * number, encoding="utf-8")
    prompt = {
        "images": node("LoadImageTextDataSetFromFolder", folder="captioned"),
        "load": node("ProbeReward"),
        "score": scored(prompts=["images", 1]),
    }
    run = client.run(prompt).expect_success()
    # That reward is a hundredth of the prompt's length; core lists files as the disk does.
    assert sorted(run.outputs["score"]["scores"]) == pytest.approx([0.01, 0.02, 0.03])


def test_pictures_in_half_precision(comfyui: ComfyUI, make_server: MakeServer, tiny_generator: Path) -> None:
    if not comfyui.knows_option("--fp16-intermediates"):
        pytest.skip("this ComfyUI knows no half precision between nodes")
    server = make_server(args=("--fp16-intermediates",))
    link_models(tiny_generator, server)
    for kind in ("liked", "ordinary"):
        fill_folder(server.folder("input", kind), kind, 14)
    prompt = {
        **text_to_image(count=4),
        **training(name="half"),
        "images": node(
            "ImageScale", image=["decode", 0], upscale_method="bicubic", width=96, height=96, crop="disabled"
        ),
        "generated": node("GANRMImagesToDataset", images=["images", 0]),
        "folder": image_folder("input/ordinary"),
        "score": scored(reward=["train", 0]),
        "best": best_of_n(reward=["train", 0], keep=2, latents=["sampler", 0]),
        "core": node("SaveImage", images=["best", 0], filename_prefix="core"),
        "ours": save_images("best", "ours", scores=["best", 6]),
        "map": node("GANRMHeatmap", images=["best", 0], reward=["train", 0]),
        "add": node("GANRMAddToDataset", images=["images", 0], dataset_name="half", pick="all"),
    }
    with server.client() as client:
        defaults = client.object_info()["GANRMHeatmap"]["input"]["required"]
        prompt["map"]["inputs"].update(
            {
                name: spec[1]["default"]
                for name, spec in defaults.items()
                if "default" in (spec[1:] or [{}])[0]
            }
        )
        run = client.run(prompt, timeout=900).expect_success()
        assert len(run.outputs["score"]["scores"]) == 4
        assert run.outputs["add"]["added"] == [4]
        ours, core = (
            [client.view(**entry) for entry in run.outputs[name]["images"]] for name in ("ours", "core")
        )
    assert len(ours) == len(core) == 2
