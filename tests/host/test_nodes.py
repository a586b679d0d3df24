"""Pack nodes in a real ComfyUI: schemas and scoring, selections passed on to other nodes, saved files and models."""

from __future__ import annotations

from typing import Any

import pytest
from host_support.client import Client
from host_support.fixtures import MakeServer
from host_support.install import PACK
from host_support.pack_prompts import (
    best_of_n,
    loaded,
    save_images,
    saved_model,
    scored,
)
from host_support.prompts import Json, echo, echoed, images, node
from host_support.server import PACK_FOLDER, Server

NODES = {path.stem for path in (PACK / "nodes" / "web" / "docs").glob("*.md")}  # each node has a help page
SIZES = "64x64, 64x64, 64x64, 64x64"
KEPT: Json = {"nodes": [], "note": "kept"}


def test_the_server_has_our_nodes(server: Server, client: Client) -> None:
    assert PACK_FOLDER not in server.failed_imports()
    assert {name for name in client.object_info() if name.startswith("GANRM")} == NODES


def test_newer_words_of_a_schema_are_sent_where_the_host_knows_them(client: Client) -> None:
    info = client.object_info()
    known = {word for each in info.values() for word, value in each.items() if value}
    for node_id, word, value in (
        ("GANRMScore", "essentials_category", "Image Tools"),
        ("GANRMImagesToDataset", "has_intermediate_output", True),
        ("GANRMMakeGroups", "experimental", True),
    ):
        assert info[node_id].get(word) == (value if word in known else None), word
    assert "aesthetic score" in info["GANRMScore"]["search_aliases"]
    assert info["GANRMScore"]["input"]["required"]["candidate"][1]["advanced"] is True


def test_a_batch_and_a_list_of_the_same_pictures_score_alike(client: Client, taste: str) -> None:
    prompt = {
        "batch": images(SIZES, seed=3),
        "list": images(SIZES, seed=3, form="list"),
        "load": loaded(taste),
        "one": scored(images=["batch", 0]),
        "other": scored(images=["list", 0]),
    }
    run = client.run(prompt).expect_success()
    assert len(run.outputs["one"]["scores"]) == 4
    assert run.outputs["one"]["scores"] == pytest.approx(run.outputs["other"]["scores"], abs=1e-4)


def given_scores(**inputs: Any) -> Json:
    """Nodes "images", "scores" and "best": Best of N of four pictures by scores from elsewhere."""
    return {
        "images": images(SIZES),
        "scores": node("ProbeScores", scores="0.2, 0.9, 0.4, 0.7"),
        "best": best_of_n(given_scores=["scores", 0], **inputs),
    }


class TestBestOfN:
    @pytest.mark.parametrize("form", ["batch", "list"])
    def test_latents_and_masks_follow_their_pictures(self, client: Client, form: str) -> None:
        prompt = {
            **given_scores(keep=2, latents=["latents", 0], masks=["masks", 0]),
            "images": images(SIZES, form=form),
            "latents": node("ProbeLatents", count=4, form=form, first=10.0, batch_index="20,21,22,23"),
            "masks": node("ProbeMasks", count=4, form=form),
            "all": echo("all", ["images", 0]),
            "echo": echo("best", *(["best", slot] for slot in range(7))),
        }
        client.run(prompt).expect_success()
        best, latents, masks, rejected, *numbers = (echoed(client, "best", slot) for slot in range(7))
        every = items(echoed(client, "all"), "sha256")
        assert items(best, "sha256") == [every[1], every[3]]
        assert items([latent["samples"] for latent in latents], "means") == [11.0, 13.0]
        assert items(latents, "batch_index") == [21, 23]
        for kept in ([latent["noise_mask"] for latent in latents], masks):
            assert items(kept, "means") == pytest.approx([0.01, 0.03])
        assert items(rejected, "sha256") == [every[2], every[0]]
        assert numbers == [pytest.approx([0.2, 0.9, 0.4, 0.7]), [1, 3], pytest.approx([0.9, 0.7])]
        assert len(best) == (1 if form == "batch" else 2)

    def test_clips_are_candidates_as_a_whole(self, client: Client, taste: str) -> None:
        prompt = {
            "images": images("64x64, 64x64, 64x64", form="list", frames=5),
            "load": loaded(taste),
            "best": best_of_n(keep=1, reward=["load", 0], candidate="each list item"),
            "echo": echo("clips", ["best", 0], ["best", 3]),
        }
        client.run(prompt).expect_success()
        kept, rejected = echoed(client, "clips"), echoed(client, "clips", 1)
        assert [item["shape"] for item in [*kept, *rejected]] == [[5, 64, 64, 3]] * 3
        assert len(kept) == 1

    @pytest.mark.parametrize("form", ["batch", "list"])
    def test_nothing_kept_skips_preview_and_save_and_the_rest_runs(
        self, client: Client, taste: str, form: str
    ) -> None:
        prompt = {
            "images": images(SIZES, form=form),
            "load": loaded(taste),
            "best": best_of_n(keep=2, min_score=1.0, reward=["load", 0]),
            "preview": node("PreviewImage", images=["best", 0]),
            "saved": node("SaveImage", images=["best", 0], filename_prefix="empty"),
            "ours": save_images("best", "nodes/best", scores=["best", 6], indices=["best", 5]),
            "rejected": node("PreviewImage", images=["best", 3]),
        }
        run = client.run(prompt).expect_success()
        assert len(run.outputs["rejected"]["images"]) == 4
        assert {"preview", "saved", "ours"}.isdisjoint(run.outputs)


class TestSaving:
    @pytest.mark.parametrize("form", ["png", "webp"])
    def test_scores_travel_inside_the_files(self, client: Client, form: str) -> None:
        run = client.run(saving(form), workflow=KEPT).expect_success()
        data = [client.view(**entry) for entry in run.outputs["save"]["images"]]
        for raw, score in zip(data, (0.9, 0.7), strict=True):
            for told in ("ganrm", f'"score": {score}', '"note": "kept"', "GANRMBestOfN"):
                assert told.encode() in raw

    def test_a_server_told_to_write_no_metadata_writes_none(self, make_server: MakeServer) -> None:
        server = make_server(args=("--disable-metadata",))
        with server.client() as client:
            for form in ("png", "webp"):
                run = client.run(saving(form), workflow=KEPT).expect_success()
                for entry in run.outputs["save"]["images"]:
                    raw = client.view(**entry)
                    assert not any(word in raw for word in (b"ganrm", b"GANRM", b"score", b"kept", b"prompt"))
                    assert not {"ganrm", "prompt", "workflow"} & set(client.image(**entry).info)


class TestModels:
    def test_load_lists_what_was_saved_meanwhile(self, client: Client, taste: str) -> None:
        name = "sub/copy of my taste"
        client.run({"load": loaded(taste), "save": saved_model("load", name)}).expect_success()
        choices = client.object_info("GANRMLoadModel")["GANRMLoadModel"]["input"]["optional"]["model"]
        assert {taste, f"{name}.safetensors"} <= set(_options(choices))

    def test_generated_images_become_a_dataset_once_each(self, client: Client) -> None:
        prompt = {
            "images": images("64x64, 48x80, 64x64", form="list"),
            "dataset": node("GANRMImagesToDataset", images=["images", 0]),
            "echo": echo("dataset", ["dataset", 1]),
        }
        client.run(prompt).expect_success()
        assert echoed(client, "dataset") == [3]


def saving(form: str, prefix: str = "nodes/best") -> Json:
    """Saves two of four pictures with their scores."""
    numbers = {"scores": ["best", 6], "indices": ["best", 5]}
    return {**given_scores(keep=2), "save": save_images("best", prefix, format=form, **numbers)}


def items(values: list[Json], name: str) -> list[Any]:
    """One entry of every description, joined: a batch and a list of the same pictures give the same."""
    return [item for value in values for item in value[name]]


def _options(choices: list[Any]) -> list[Any]:
    found: list[Any] = choices[1]["options"] if choices[0] == "COMBO" else choices[0]
    return found
