"""Pixels below 0 and above 1, as core's Upscale Image (bicubic) makes them, in shipped workflows and other nodes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from host_support.client import Client
from host_support.pack_prompts import all_of, loaded, only, small_prompt
from host_support.prompts import Json, echo, echoed, folder_pictures, node
from host_support.server import Server

TRAIN, BEST, FOLDER = "1 Train your taste", "2 Best 4 of 16", "3 Score a folder"

pytestmark = pytest.mark.usefixtures("taste")


def upscaled(link: list[Any], side: int = 128) -> Json:
    return node("ImageScale", image=link, upscale_method="bicubic", width=side, height=side, crop="disabled")


def assert_overshoot(pictures: list[Json]) -> None:
    assert min(picture["min"] for picture in pictures) < -0.01
    assert max(picture["max"] for picture in pictures) > 1.01


def test_a_taste_is_trained_on_upscaled_pictures(client: Client, pictures: int) -> None:
    prompt = small_prompt(TRAIN)
    for folder in all_of(prompt, "GANRMImageFolder"):
        kind = prompt[folder]["inputs"]["folder"].removeprefix("input/")
        prompt[f"{kind} pictures"] = folder_pictures(kind)
        prompt[f"{kind} larger"] = upscaled([f"{kind} pictures", 0])
        prompt[f"{kind} seen"] = echo(kind, [f"{kind} larger", 0])
        prompt[folder] = node("GANRMImagesToDataset", images=[f"{kind} larger", 0])
    run = client.run(prompt).expect_success()
    assert_overshoot(echoed(client, "liked"))
    (summary,) = run.outputs[only(prompt, "GANRMTrain")]["summary"]
    assert f"{pictures} liked and {pictures} ordinary pictures" in summary


def test_the_best_of_upscaled_pictures_are_kept_as_they_came(client: Client) -> None:
    prompt = small_prompt(BEST)
    best = only(prompt, "GANRMBestOfN")
    prompt["drawn"] = folder_pictures("liked_test")
    prompt["larger"] = upscaled(["drawn", 0])
    prompt[best]["inputs"].update(images=["larger", 0])
    del prompt[best]["inputs"]["latents"]
    prompt["before"] = echo("before", ["larger", 0])
    prompt["after"] = echo("after", [best, 0])
    run = client.run(prompt).expect_success()
    before, kept = echoed(client, "before"), echoed(client, "after")
    assert_overshoot(before)
    assert [picture["sha256"] for picture in kept] == [
        before[index]["sha256"] for index in run.outputs[best]["indices"]
    ]
    saved = run.outputs[only(prompt, "GANRMSaveImages")]["images"]
    assert [json.loads(client.image(**each).info["ganrm"])["score"] for each in saved] == pytest.approx(
        run.outputs[best]["best_scores"], abs=1e-6
    )


def test_a_folder_of_upscaled_pictures_is_scored(client: Client, server: Server) -> None:
    drawn = {"drawn": folder_pictures("liked_test"), "larger": upscaled(["drawn", 0])}
    saving = node("SaveImage", images=["larger", 0], filename_prefix="upscaled/picture")
    client.run({**drawn, "saved": saving}).expect_success()
    prompt = small_prompt(FOLDER)
    prompt[only(prompt, "GANRMScoreFolder")]["inputs"].update(folder="output/upscaled", keep=3)
    run = client.run(prompt).expect_success()
    assert len(run.outputs[only(prompt, "GANRMScoreFolder")]["best"]) == 3
    assert len(list(server.folder("output", "upscaled").glob("*.png"))) == 14


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("GANRMScore", {"reward": ["load", 0], "group_size": 0, "candidate": "each image"}),
        ("GANRMHeatmap", {"reward": ["load", 0], "share": 0.2, "grow": 4, "blur": 8}),
        ("GANRMAddToDataset", {"dataset_name": "upscaled", "pick": "all"}),
    ],
)
def test_upscaled_pictures_go_into_other_nodes(client: Client, taste: str, kind: str, inputs: Json) -> None:
    prompt = {
        "load": loaded(taste),
        "drawn": folder_pictures("liked_test"),
        "larger": upscaled(["drawn", 0]),
        "ours": node(kind, images=["larger", 0], **inputs),
        "seen": echo(kind, ["larger", 0]),
    }
    client.run(prompt).expect_success()
    assert_overshoot(echoed(client, kind))
