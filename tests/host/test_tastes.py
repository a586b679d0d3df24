"""Sources of a reward model on a real server: folders that leak their format, a combination, a pool."""

from __future__ import annotations

import pytest
from host_support.client import Client
from host_support.drawn_pictures import fill_folder
from host_support.pack_prompts import image_folder, loaded, scored, scoring, training
from host_support.prompts import images, node
from host_support.server import Server
from PIL import Image

pytestmark = pytest.mark.usefixtures("pictures")


def test_folders_of_two_formats_are_named_and_evened_out(client: Client, server: Server) -> None:
    for kind in ("liked", "ordinary"):
        fill_folder(server.folder("input", f"leaky_{kind}"), kind, 14, first=3000)
    for path in server.folder("input", "leaky_ordinary").glob("*.png"):
        Image.open(path).save(path.with_suffix(".jpg"), quality=60)
        path.unlink()
    prompt = training("input/leaky_liked", "input/leaky_ordinary", name="leaky")
    (summary,) = client.run(prompt).expect_success().outputs["train"]["summary"]
    assert all(word in summary for word in ("JPEG", "evened out", "Same-picture test"))


def test_two_tastes_become_one_that_scores(client: Client, taste: str) -> None:
    weights = {"weight_1": 1.0, "weight_2": 0.5, "name": "both"}
    prompt = {
        **scoring(taste, "64x64, 64x64, 64x64"),
        "again": loaded(taste),
        "both": node("GANRMEnsemble", reward_1=["load", 0], reward_2=["again", 0], **weights),
        "combined": scored(reward=["both", 0]),
    }
    run = client.run(prompt).expect_success()
    # A taste combined with itself is the same taste.
    assert run.outputs["combined"]["scores"] == pytest.approx(run.outputs["score"]["scores"], abs=1e-4)


def test_a_taste_is_refined_by_a_pool(client: Client, server: Server) -> None:
    fill_folder(server.folder("input", "pool"), "ordinary", 12, first=4000)
    sets = {"reward": ["train", 0], **{name: [name, 0] for name in ("pool", "liked", "ordinary")}}
    widgets = {"rounds": 1, "bottom_only": False, "top": 0, "bottom": 0, "alpha": 0.0}
    prompt = {
        **training(name="refined"),
        "pool": image_folder("input/pool"),
        "refine": node("GANRMBootstrap", **sets, **widgets),
        "images": images("64x64, 64x64"),
        "score": scored(reward=["refine", 0]),
    }
    run = client.run(prompt).expect_success()
    (summary,) = run.outputs["refine"]["summary"]
    assert "round" in summary.lower()
    assert len(run.outputs["score"]["scores"]) == 2
