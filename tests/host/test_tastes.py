"""What a taste may be made from on a real server: leaky folders, a pool, two other tastes."""

from __future__ import annotations

import pytest
from host_support.client import Client
from host_support.drawn_pictures import fill_folder
from host_support.pack_prompts import images, loaded, scored, training
from host_support.prompts import node
from host_support.server import Server
from PIL import Image

SOON = 300

pytestmark = pytest.mark.usefixtures("pictures")


def test_folders_of_two_formats_are_named_and_evened_out(client: Client, server: Server) -> None:
    for kind in ("liked", "ordinary"):
        folder = server.folder("input", f"leaky_{kind}")
        fill_folder(folder, kind, 14, first=3000)
        if kind == "ordinary":
            for path in sorted(folder.glob("*.png")):
                Image.open(path).convert("RGB").save(path.with_suffix(".jpg"), quality=60)
                path.unlink()
    prompt = training("input/leaky_liked", "input/leaky_ordinary", name="leaky")
    run = client.run(prompt, timeout=SOON).expect_success()
    (summary,) = run.outputs["train"]["summary"]
    assert "JPEG" in summary
    assert "evened out" in summary
    assert "Same-picture test" in summary
    off = {
        **prompt,
        "train": {**prompt["train"], "inputs": {**prompt["train"]["inputs"], "neutralise": "off"}},
    }
    (summary,) = client.run(off, timeout=SOON).expect_success().outputs["train"]["summary"]
    assert "neutralise is off" in summary


def test_two_tastes_become_one_that_scores(client: Client, taste: str) -> None:
    both = node(
        "GANRMEnsemble",
        reward_1=["load", 0],
        reward_2=["again", 0],
        weight_1=1.0,
        weight_2=0.5,
        name="both",
    )
    prompt = {
        "images": images("64x64, 64x64, 64x64"),
        "load": loaded(taste),
        "again": loaded(taste),
        "both": both,
        "score": scored(reward=["both", 0]),
        "alone": scored(),
    }
    run = client.run(prompt, timeout=SOON).expect_success()
    # A taste combined with itself is the same taste.
    assert run.outputs["score"]["scores"] == pytest.approx(run.outputs["alone"]["scores"], abs=1e-4)


def test_a_taste_is_refined_by_a_pool(client: Client, server: Server) -> None:
    fill_folder(server.folder("input", "pool"), "ordinary", 12, first=4000)
    prompt = {
        **training(name="refined"),
        "pool": node("GANRMImageFolder", folder="input/pool", recursive=False),
        "refine": node(
            "GANRMBootstrap",
            reward=["train", 0],
            pool=["pool", 0],
            liked=["liked", 0],
            ordinary=["ordinary", 0],
            rounds=1,
            bottom_only=False,
            top=0,
            bottom=0,
            alpha=0.0,
        ),
        "images": images("64x64, 64x64"),
        "score": scored(reward=["refine", 0]),
    }
    run = client.run(prompt, timeout=SOON).expect_success()
    (summary,) = run.outputs["refine"]["summary"]
    assert "round" in summary.lower()
    assert len(run.outputs["score"]["scores"]) == 2
