"""Pictures that core's Upscale Image (bicubic) gave values below 0 and above 1, in the first three workflows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from host_support.client import Client
from host_support.pack_prompts import made_small, only, shipped_prompt
from host_support.prompts import Json, node
from host_support.server import Server

TRAIN, BEST, FOLDER = "1 Train your taste", "2 Best 4 of 16", "3 Score a folder"
RUNS = 600  # seconds a workflow may take on a slow machine

pytestmark = pytest.mark.usefixtures("taste")


def upscaled(link: list[Any], side: int = 128) -> Json:
    return node("ImageScale", image=link, upscale_method="bicubic", width=side, height=side, crop="disabled")


def folder_pictures(folder: str) -> Json:
    """The pictures of a folder in `input` as a list."""
    return node("ProbeImages", sizes="", form="list", seed=0, channels=3, frames=1, folder=folder)


def echoed(client: Client, label: str) -> list[Json]:
    """What a probe got last, item by item."""
    records: list[Json] = client.get("/probe/echo")[label][-1]["value"]
    return records


def assert_overshoot(pictures: list[Json]) -> None:
    assert min(picture["min"] for picture in pictures) < -0.01
    assert max(picture["max"] for picture in pictures) > 1.01


def test_a_taste_is_trained_on_upscaled_pictures(client: Client, pictures: int) -> None:
    prompt = made_small(shipped_prompt(TRAIN))
    for kind in ("liked", "ordinary"):
        folder = next(
            key
            for key, each in prompt.items()
            if each["class_type"] == "GANRMImageFolder" and each["inputs"]["folder"] == f"input/{kind}"
        )
        prompt[f"{kind} pictures"] = folder_pictures(kind)
        prompt[f"{kind} larger"] = upscaled([f"{kind} pictures", 0])
        prompt[f"{kind} seen"] = node("ProbeEcho", label=kind, value=[f"{kind} larger", 0])
        prompt[folder] = node("GANRMImagesToDataset", images=[f"{kind} larger", 0])
    run = client.run(prompt, timeout=RUNS).expect_success()
    assert_overshoot(echoed(client, "liked"))
    (summary,) = run.outputs[only(prompt, "GANRMTrain")]["summary"]
    assert f"{pictures} liked and {pictures} ordinary pictures" in summary


def test_the_best_of_upscaled_pictures_are_kept_as_they_came(client: Client) -> None:
    prompt = made_small(shipped_prompt(BEST))
    best = only(prompt, "GANRMBestOfN")
    prompt["drawn"] = folder_pictures("liked_test")
    prompt["larger"] = upscaled(["drawn", 0])
    prompt[best]["inputs"].update(images=["larger", 0])
    del prompt[best]["inputs"]["latents"]
    prompt["before"] = node("ProbeEcho", label="before", value=["larger", 0])
    prompt["after"] = node("ProbeEcho", label="after", value=[best, 0])
    run = client.run(prompt, timeout=RUNS).expect_success()
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
    client.run({**drawn, "saved": saving}, timeout=RUNS).expect_success()
    prompt = made_small(shipped_prompt(FOLDER))
    prompt[only(prompt, "GANRMScoreFolder")]["inputs"].update(folder="output/upscaled", keep=3)
    run = client.run(prompt, timeout=RUNS).expect_success()
    assert len(run.outputs[only(prompt, "GANRMScoreFolder")]["best"]) == 3
    assert len(list(server.folder("output", "upscaled").glob("*.png"))) == 14


@pytest.mark.parametrize("kind", ["GANRMScore", "GANRMHeatmap", "GANRMAddToDataset"])
def test_upscaled_pictures_go_into_other_nodes(client: Client, taste: str, kind: str) -> None:
    inputs: Json = {
        "GANRMScore": {"reward": ["load", 0], "group_size": 0, "candidate": "each image"},
        "GANRMHeatmap": {"reward": ["load", 0], "share": 0.2, "grow": 4, "blur": 8},
        "GANRMAddToDataset": {"dataset_name": "upscaled", "pick": "all"},
    }[kind]
    prompt = {
        "load": node("GANRMLoadModel", model=taste),
        "drawn": folder_pictures("liked_test"),
        "larger": upscaled(["drawn", 0]),
        "ours": node(kind, images=["larger", 0], **inputs),
        "seen": node("ProbeEcho", label=kind, value=["larger", 0]),
    }
    client.run(prompt, timeout=RUNS).expect_success()
    assert_overshoot(echoed(client, kind))
