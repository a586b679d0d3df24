"""Our nodes among core's: what the server knows of them, selections that travel, empty streams, saved files."""

from __future__ import annotations

import json
from typing import Any

import pytest
from host_support.client import Client
from host_support.fixtures import MakeServer
from host_support.pack_prompts import best_of_n, images, loaded, scored
from host_support.prompts import Json, node
from host_support.server import PACK_FOLDER, Server

NODES = {
    "GANRMImageFolder",
    "GANRMImagesToDataset",
    "GANRMAddToDataset",
    "GANRMTrain",
    "GANRMEvaluate",
    "GANRMLoadModel",
    "GANRMSaveModel",
    "GANRMScore",
    "GANRMBestOfN",
    "GANRMBestOfNSampler",
    "GANRMBestOfNSamplerCustom",
    "GANRMHeatmap",
    "GANRMScoreFolder",
    "GANRMSaveImages",
    "GANRMBootstrap",
    "GANRMEnsemble",
}
SIZES = "64x64, 64x64, 64x64, 64x64"
FROM_SCORES = node("ProbeScores", scores="0.2, 0.9, 0.4, 0.7", form="list")


def echo(label: str, *links: list[Any]) -> Json:
    return node("ProbeEcho", label=label, **{f"value{i or ''}": link for i, link in enumerate(links)})


def echoed(client: Client, label: str) -> Json:
    records: Json = client.get("/probe/echo").get(label, [])
    return records[-1]


def save_images(**inputs: Any) -> Json:
    given = {"images": ["best", 0], "filename_prefix": "nodes/best", "format": "png", "quality": 95}
    return node("GANRMSaveImages", **{**given, **inputs})


class TestSchemas:
    def test_the_server_has_our_nodes(self, server: Server, client: Client) -> None:
        assert PACK_FOLDER not in server.failed_imports()
        assert {name for name in client.object_info() if name.startswith("GANRM")} == NODES

    @pytest.mark.parametrize("name", sorted(NODES))
    def test_each_input_and_output_has_a_tooltip(self, client: Client, name: str) -> None:
        about = client.object_info(name)[name]
        assert about["description"]
        assert about["category"] == "GAN-RM"
        sockets = {**about["input"].get("required", {}), **about["input"].get("optional", {})}
        assert sockets
        for socket, (_, options) in sockets.items():
            assert options.get("tooltip"), f"{name}.{socket} has no tooltip"
        assert len(about["output_tooltips"]) == len(about["output"])
        assert all(about["output_tooltips"])

    def test_the_training_seed_is_left_alone_by_the_page(self, client: Client) -> None:
        _, options = client.object_info("GANRMTrain")["GANRMTrain"]["input"]["required"]["seed"]
        assert not options.get("control_after_generate")


class TestScore:
    def test_a_batch_and_a_list_of_the_same_pictures_score_alike(self, client: Client, taste: str) -> None:
        prompt = {
            "batch": images(SIZES, seed=3),
            "list": images(SIZES, seed=3, form="list"),
            "load": loaded(taste),
            "one": scored(images=["batch", 0]),
            "other": scored(images=["list", 0]),
        }
        run = client.run(prompt, timeout=300).expect_success()
        assert len(run.outputs["one"]["scores"]) == 4
        assert run.outputs["one"]["scores"] == pytest.approx(run.outputs["other"]["scores"], abs=1e-4)

    def test_pictures_of_many_sizes_and_a_single_one(self, client: Client, taste: str) -> None:
        prompt = {
            "images": images("64x48, 300x40, 40x300, 17x17", form="list"),
            "alone": images("80x60"),
            "load": loaded(taste),
            "many": scored(),
            "one": scored(images=["alone", 0]),
        }
        run = client.run(prompt, timeout=300).expect_success()
        assert sorted(run.outputs["many"]["ranks"]) == [1, 2, 3, 4]
        assert len(run.outputs["one"]["scores"]) == 1
        assert client.image(**run.outputs["many"]["images"][0]).width > 200

    def test_the_same_again_is_served_from_cache(self, client: Client, taste: str) -> None:
        prompt = {"images": images(SIZES, seed=9), "load": loaded(taste), "score": scored()}
        first = client.run(prompt, timeout=300).expect_success()
        again = client.run(prompt).expect_success()
        assert again.executed == []
        assert again.outputs["score"] == first.outputs["score"]

    def test_no_images_at_all_say_so(self, client: Client, taste: str) -> None:
        prompt = {"images": images(""), "load": loaded(taste), "score": scored()}
        assert "There are no images" in client.run(prompt).error_message


class TestBestOfN:
    @pytest.mark.parametrize("form", ["batch", "list"])
    def test_latents_and_masks_follow_their_pictures(self, client: Client, form: str) -> None:
        prompt = {
            "images": images(SIZES, form=form),
            "latents": node(
                "ProbeLatents",
                count=4,
                form=form,
                first=10.0,
                channels=16,
                height=8,
                width=8,
                batch_index="20,21,22,23",
                noise_mask=True,
            ),
            "masks": node("ProbeMasks", count=4, form=form, height=64, width=64),
            "scores": FROM_SCORES,
            "best": best_of_n(keep=2, given_scores=["scores", 0], latents=["latents", 0], masks=["masks", 0]),
            "all": echo("all", ["images", 0]),
            "echo": echo("best", *(["best", slot] for slot in range(7))),
        }
        client.run(prompt).expect_success()
        got = echoed(client, "best")
        every = [digest for item in echoed(client, "all")["value"] for digest in item["sha256"]]
        assert [d for item in got["value"] for d in item["sha256"]] == [every[1], every[3]]
        assert [m for item in got["value1"] for m in item["samples"]["means"]] == [11.0, 13.0]
        assert [i for item in got["value1"] for i in item["batch_index"]] == [21, 23]
        masks = [m for item in got["value1"] for m in item["noise_mask"]["means"]]
        assert masks == pytest.approx([0.01, 0.03])
        assert [m for item in got["value2"] for m in item["means"]] == pytest.approx([0.01, 0.03])
        assert [d for item in got["value3"] for d in item["sha256"]] == [every[2], every[0]]
        assert got["value4"] == pytest.approx([0.2, 0.9, 0.4, 0.7])
        assert got["value5"] == [1, 3]
        assert got["value6"] == pytest.approx([0.9, 0.7])
        assert len(got["value"]) == (1 if form == "batch" else 2)

    def test_groups_compete_among_themselves_in_the_order_they_came(self, client: Client) -> None:
        best = best_of_n(given_scores=["scores", 0], group_size=2, order="as they came")
        choices = client.object_info("GANRMBestOfN")["GANRMBestOfN"]["input"]["required"]["order"]
        best["inputs"]["order"] = _options(choices)[1]
        prompt = {
            "images": images(SIZES),
            "scores": FROM_SCORES,
            "best": best,
            "echo": echo("groups", ["best", 5]),
        }
        client.run(prompt).expect_success()
        assert echoed(client, "groups")["value"] == [1, 3]

    def test_clips_are_candidates_as_a_whole(self, client: Client, taste: str) -> None:
        prompt = {
            "images": images("64x64, 64x64, 64x64", form="list", frames=5),
            "load": loaded(taste),
            "best": best_of_n(keep=1, reward=["load", 0], candidate="each list item"),
            "echo": echo("clips", ["best", 0], ["best", 3]),
        }
        client.run(prompt, timeout=300).expect_success()
        got = echoed(client, "clips")
        assert [item["shape"] for item in got["value"]] == [[5, 64, 64, 3]]
        assert [item["shape"] for item in got["value1"]] == [[5, 64, 64, 3]] * 2

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
            "ours": save_images(scores=["best", 6], indices=["best", 5]),
            "rejected": node("PreviewImage", images=["best", 3]),
        }
        run = client.run(prompt, timeout=300).expect_success()
        assert len(run.outputs["rejected"]["images"]) == 4
        assert {"preview", "saved", "ours"}.isdisjoint(run.outputs)

    def test_nothing_rejected_skips_what_hangs_on_it(self, client: Client) -> None:
        prompt = {
            "images": images(SIZES),
            "scores": FROM_SCORES,
            "best": best_of_n(keep=4, given_scores=["scores", 0]),
            "kept": node("PreviewImage", images=["best", 0]),
            "rejected": node("PreviewImage", images=["best", 3]),
        }
        run = client.run(prompt).expect_success()
        assert len(run.outputs["kept"]["images"]) == 4
        assert "rejected" not in run.outputs

    def test_scores_that_are_not_one_each_are_refused(self, client: Client) -> None:
        prompt = {
            "images": images("64x64, 64x64"),
            "scores": FROM_SCORES,
            "best": best_of_n(given_scores=["scores", 0]),
        }
        assert "2 candidates but 4 scores" in client.run(prompt).error_message


class TestSaving:
    @pytest.mark.parametrize("form", ["png", "webp"])
    def test_scores_travel_inside_the_files(self, client: Client, form: str) -> None:
        run = client.run(saving(form), workflow={"nodes": [], "note": "kept"}).expect_success()
        entries = run.outputs["save"]["images"]
        data = [client.view(**entry) for entry in entries]
        assert len(data) == 2
        for raw, score in zip(data, (0.9, 0.7), strict=True):
            assert b'"ganrm"' in raw or b"ganrm" in raw
            assert f'"score": {score}'.encode() in raw
            assert b'"note": "kept"' in raw
            assert b"GANRMBestOfN" in raw

    def test_a_server_told_to_write_no_metadata_writes_none(self, make_server: MakeServer) -> None:
        server = make_server(args=("--disable-metadata",))
        with server.client() as client:
            for form in ("png", "webp"):
                run = client.run(saving(form), workflow={"nodes": [], "note": "kept"}).expect_success()
                for entry in run.outputs["save"]["images"]:
                    raw = client.view(**entry)
                    assert not any(word in raw for word in (b"ganrm", b"GANRM", b"score", b"kept", b"prompt"))
                    assert not {"ganrm", "prompt", "workflow"} & set(client.image(**entry).info)

    def test_a_file_is_never_overwritten(self, client: Client, server: Server) -> None:
        names: list[str] = []
        for seed in (1, 2):
            prompt = saving("png", seed=seed)
            prompt["save"]["inputs"]["filename_prefix"] = "nodes/twice"
            names += client.run(prompt).expect_success().outputs["save"]["files"]
        assert len(set(names)) == 4
        assert all(server.folder("output", *name.split("/")).is_file() for name in names)


class TestModels:
    def test_a_model_saved_again_is_kept_once(self, client: Client, server: Server, taste: str) -> None:
        before = set(server.folder("models", "ganrm").iterdir())
        prompt = {"load": loaded(taste), "save": node("GANRMSaveModel", reward=["load", 0], name="my_taste")}
        assert client.run(prompt).expect_success().outputs["save"]["path"] == [taste]
        assert set(server.folder("models", "ganrm").iterdir()) == before

    def test_load_lists_what_was_saved_meanwhile(self, client: Client, taste: str) -> None:
        name = "sub/copy of my taste"
        prompt = {"load": loaded(taste), "save": node("GANRMSaveModel", reward=["load", 0], name=name)}
        client.run(prompt).expect_success()
        choices = client.object_info("GANRMLoadModel")["GANRMLoadModel"]["input"]["optional"]["model"]
        assert {taste, f"{name}.safetensors"} <= set(_options(choices))

    def test_evaluating_on_the_training_pictures_warns(self, client: Client, taste: str) -> None:
        prompt = {
            "liked": node("GANRMImageFolder", folder="input/liked", recursive=False),
            "ordinary": node("GANRMImageFolder", folder="input/ordinary", recursive=False),
            "load": loaded(taste),
            "evaluate": node(
                "GANRMEvaluate", reward=["load", 0], liked=["liked", 0], ordinary=["ordinary", 0]
            ),
            "echo": echo("metrics", ["evaluate", 0], ["evaluate", 2]),
        }
        run = client.run(prompt, timeout=300).expect_success()
        (metrics,) = run.outputs["evaluate"]["metrics"]
        assert any("very ones" in warning for warning in metrics["warnings"])
        got = echoed(client, "metrics")
        assert json.loads(got["value"][0])["n_liked"] == metrics["n_liked"]
        assert 0 <= got["value1"][0] <= 1

    def test_generated_images_become_a_dataset_once_each(self, client: Client) -> None:
        prompt = {
            "images": images("64x64, 48x80, 64x64", form="list"),
            "dataset": node("GANRMImagesToDataset", images=["images", 0]),
            "echo": echo("dataset", ["dataset", 1]),
        }
        client.run(prompt).expect_success()
        assert echoed(client, "dataset")["value"] == [3]


def saving(form: str, seed: int = 0) -> Json:
    return {
        "images": images(SIZES, seed=seed),
        "scores": FROM_SCORES,
        "best": best_of_n(keep=2, given_scores=["scores", 0]),
        "save": save_images(format=form, scores=["best", 6], indices=["best", 5]),
    }


def _options(choices: list[Any]) -> list[Any]:
    found: list[Any] = choices[1]["options"] if choices[0] == "COMBO" else choices[0]
    return found
