"""Shipped workflows run to their end on small drawn pictures."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from contract_support.tiny_networks import put_clip_halves
from host_support.client import Client
from host_support.pack_prompts import (
    WORKFLOWS,
    all_of,
    only,
    shipped_graph,
    shipped_prompt,
    small_prompt,
)
from host_support.prompts import Json, digests, echo, echoed, node
from host_support.run import Run
from host_support.server import Server
from PIL import Image, ImageEnhance
from unit_support.tiny_chat_models import write_qwen2_vl

TRAIN_APP = "1 Train your taste (App)"
TRAIN, BEST, GROW = "1 Train your taste", "2 Best 4 of 16", "6 Grow your dataset"
FOLDER, ALL, REFINE = "3 Score a folder", "4 Train, test and choose", "5 Refine the winner"
REPAIR, SAMPLER = "7 Repair the weakest part", "8 Best 4 of 16 at half the work"
AGAIN, TEACH = "9 Make the winner again, larger", "10 Teach your generator your taste"
ADVERSARIAL, STYLE = "11 Adversarial training", "12 Take over a style"
TOGETHER = "13 Taste and prompt together"
JUDGE = "14 A vision-language judge"
CULL = "15 Cull a folder"
GENERATORS = ("Flux", "Qwen-Image", "Z-Image")

pytestmark = pytest.mark.usefixtures("taste")


def queued(client: Client, name: str, **changes: Json) -> Run:
    """Runs a shipped workflow; changes: node class → inputs to set."""
    prompt = small_prompt(name)
    for class_type, inputs in changes.items():
        prompt[only(prompt, class_type)]["inputs"].update(inputs)
    return client.run(prompt, workflow=shipped_graph(name)).expect_success()


def result(run: Run, name: str, class_type: str) -> Json:
    return run.outputs[only(shipped_prompt(name), class_type)]


def test_all_workflows_are_shipped_each_with_a_twin_for_scripts() -> None:
    assert [
        TRAIN,
        TRAIN_APP,
        TEACH,
        ADVERSARIAL,
        STYLE,
        TOGETHER,
        JUDGE,
        CULL,
        BEST,
        *(f"{BEST} ({generator})" for generator in GENERATORS),
        FOLDER,
        ALL,
        REFINE,
        GROW,
        REPAIR,
        *(f"8 At half the work ({generator})" for generator in GENERATORS),
        SAMPLER,
        AGAIN,
    ] == WORKFLOWS


def test_a_taste_is_trained_from_two_folders(client: Client, server: Server, pictures: int) -> None:
    run = queued(client, TRAIN)
    (summary,) = result(run, TRAIN, "GANRMTrain")["summary"]
    assert f"{pictures} liked and {pictures} ordinary pictures" in summary
    (path,) = result(run, TRAIN, "GANRMSaveModel")["path"]
    assert server.folder("models", "ganrm", path).is_file()
    assert "held-out AUC" in str(result(run, TRAIN, "PreviewAny"))


def test_the_app_gives_the_taste_one_name(client: Client, server: Server) -> None:
    run = queued(client, TRAIN_APP, PrimitiveString={"value": "evening_light"})
    (path,) = result(run, TRAIN_APP, "GANRMSaveModel")["path"]
    assert path == "evening_light.safetensors"
    assert server.folder("models", "ganrm", path).is_file()
    (summary,) = result(run, TRAIN_APP, "GANRMTrain")["summary"]
    assert summary.startswith("evening_light: ")


def test_the_best_four_of_sixteen_are_saved_and_the_rest_shown(client: Client) -> None:
    run = queued(client, BEST)
    saved, best = result(run, BEST, "GANRMSaveImages"), result(run, BEST, "GANRMBestOfN")
    assert len(saved["images"]) == 4
    assert len(result(run, BEST, "PreviewImage")["images"]) == 12
    assert saved["scores"] == sorted(best["scores"], reverse=True)[:4]
    for entry, score, index in zip(saved["images"], saved["scores"], saved["indices"], strict=True):
        texts = client.image(**entry).info
        about = json.loads(texts["ganrm"])
        assert about["score"] == pytest.approx(score, abs=1e-6)
        assert (about["index"], about["seed"], _series(about)) == (index, 42, "my_taste")
        assert json.loads(texts["workflow"]) == shipped_graph(BEST)
        assert "GANRMBestOfN" in texts["prompt"]
    # The saved pictures are those that stood at these places.
    again = client.run({**small_prompt(BEST), "all": _save(["6", 0])})
    every = again.expect_success().outputs["all"]["images"]
    for entry, index in zip(saved["images"], saved["indices"], strict=True):
        assert client.image(**entry).tobytes() == client.image(**every[index]).tobytes()


def test_a_folder_is_scored_and_its_best_copied(client: Client, server: Server) -> None:
    folder = server.folder("output", "to_score")
    folder.mkdir(exist_ok=True)
    sources = sorted(server.folder("input", "liked_test").iterdir())
    for source in sources:
        (folder / source.name).write_bytes(source.read_bytes())
    run = queued(client, FOLDER, GANRMScoreFolder={"folder": "output/to_score", "keep": 5})
    scored = result(run, FOLDER, "GANRMScoreFolder")
    (best,) = scored["best_folder"]
    assert len(scored["best"]) == 5
    copies = [path for path in server.folder(*best.split("/")).iterdir() if path.suffix == ".png"]
    assert {path.read_bytes() for path in copies} == {(folder / name).read_bytes() for name in scored["best"]}
    assert len(list(folder.iterdir())) == len(sources)


def test_a_folder_is_culled_and_the_kept_pictures_are_shown_on_a_card(client: Client, server: Server) -> None:
    folder = server.folder("input", "shoot")
    folder.mkdir(exist_ok=True)
    sources = sorted(server.folder("input", "liked_test").iterdir())[:3]
    for source in sources:
        with Image.open(source) as opened:
            picture = opened.convert("RGB")
        picture.save(folder / source.name)
        ImageEnhance.Brightness(picture).enhance(0.9).save(folder / f"{source.stem}_darker.png")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run = queued(client, CULL, GANRMCullFolder={"folder": "input/shoot", "alike": "copies"})
    culled = result(run, CULL, "GANRMCullFolder")
    assert len(culled["kept"]) == 3
    assert len({name.split("_darker")[0].split(".")[0] for name in culled["kept"]}) == 3
    (kept,) = culled["kept_folder"]
    copies = {
        path.read_bytes() for path in server.folder(*kept.split("/")).iterdir() if path.suffix == ".png"
    }
    assert copies == {before[name] for name in culled["kept"]}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    load = small_prompt(CULL)[only(small_prompt(CULL), "GANRMLoadModel")]
    given = {"folder": kept, "name": "", "author": "", "licence": "", "recursive": False}
    prompt = {"load": load, "card": node("GANRMTasteCard", reward=["load", 0], **given)}
    card = client.run(prompt).expect_success().outputs["card"]
    picture = client.image(**card["images"][0])
    assert picture.width == 1200
    assert json.loads(picture.info["ganrm_card"])["sha256"] == card["sha256"][0]


def test_a_taste_is_trained_evaluated_and_used_in_one_graph(client: Client, pictures: int) -> None:
    run = queued(client, ALL)
    (metrics,) = result(run, ALL, "GANRMEvaluate")["metrics"]
    assert (metrics["n_liked"], metrics["n_ordinary"]) == (pictures, pictures)
    assert metrics["warnings"] == [] or all("very ones" not in each for each in metrics["warnings"])
    saved, best = result(run, ALL, "GANRMSaveImages"), result(run, ALL, "GANRMBestOfN")
    assert saved["scores"] == [max(best["scores"])]
    assert json.loads(client.image(**saved["images"][0]).info["ganrm"])["seed"] == 42


def test_the_winners_latent_is_refined(client: Client) -> None:
    prompt = small_prompt(REFINE)
    best = only(prompt, "GANRMBestOfN")
    sampler = prompt[best]["inputs"]["latents"]
    prompt["echo"] = echo("echo", [best, 1], [best, 5], sampler)
    run = client.run(prompt).expect_success()
    (picture,) = run.outputs[only(prompt, "SaveImage")]["images"]
    assert client.image(**picture).size == (96, 96)
    (latent,), (index,), every = (echoed(client, "echo", place) for place in range(3))
    assert latent["samples"]["sha256"] == [digests(every)[index]]
    assert latent["batch_index"] == [index]


def test_the_weakest_region_is_painted_again_and_the_better_one_saved(client: Client) -> None:
    prompt = small_prompt(REPAIR)
    heatmap = only(prompt, "GANRMHeatmap")
    _, final = all_of(prompt, "GANRMBestOfN")
    pair = prompt[final]["inputs"]["images"]
    prompt["before and after"] = _save(pair)
    run = client.run(prompt).expect_success()
    (overlay,) = run.outputs[heatmap]["images"]
    assert client.image(**overlay).size == (64, 64)
    before, after = run.outputs["before and after"]["images"]
    assert client.image(**before).tobytes() != client.image(**after).tobytes()
    scores = run.outputs[final]["scores"]
    saved = run.outputs[only(prompt, "GANRMSaveImages")]
    assert saved["scores"] == [max(scores)]
    better = (before, after)[scores.index(max(scores))]
    assert client.image(**saved["images"][0]).tobytes() == client.image(**better).tobytes()


def test_the_best_of_those_begun_are_saved_each_with_its_own_seed(client: Client) -> None:
    run = queued(client, SAMPLER)
    saved, best = result(run, SAMPLER, "GANRMSaveImages"), result(run, SAMPLER, "GANRMBestOfNSampler")
    assert len(saved["images"]) == 4
    assert saved["scores"] == pytest.approx(sorted(best["scores"], reverse=True), abs=1e-6)
    assert len(best["all_scores"]) == 16
    assert best["work"][0] < 0.7
    for entry, score, seed, index in zip(
        saved["images"], best["scores"], best["seeds"], best["indices"], strict=True
    ):
        about = json.loads(client.image(**entry).info["ganrm"])
        assert about["score"] == pytest.approx(score, abs=1e-6)
        assert (about["seed"], about["index"], _series(about)) == (seed, index, "my_taste")
        assert seed == 42 + index
        assert about["path"] == str(seed)


def test_the_winner_is_made_again_and_then_enlarged(client: Client) -> None:
    prompt = small_prompt(AGAIN)
    (again,) = [key for key in all_of(prompt, "KSampler") if isinstance(prompt[key]["inputs"]["seed"], list)]
    (decoded,) = [key for key, each in prompt.items() if each["inputs"].get("samples") == [again, 0]]
    (larger,) = all_of(prompt, "SaveImage")
    prompt["made again"] = _save([decoded, 0])
    run = client.run(prompt).expect_success()
    (winner,) = run.outputs[only(prompt, "GANRMSaveImages")]["images"]
    (same,) = run.outputs["made again"]["images"]
    assert client.image(**winner).tobytes() == client.image(**same).tobytes()
    (picture,) = run.outputs[larger]["images"]
    assert client.image(**picture).size == (96, 96)


def test_a_generator_is_taught_compared_and_its_lora_saved(client: Client, server: Server) -> None:
    small = {
        "GANRMMakeGroups": {"pictures": 3, "count": 9},
        # Gentle: random weights would soon be stopped by the watch.
        "GANRMTrainOnGroups": {"steps": 3, "learning_rate": 1e-5, "rank": 4, "batch": 2, "micro_batch": 2},
        "GANRMCompareModels": {"pictures": 2},
    }
    run = queued(client, TEACH, **small, GANRMSaveLora={"keep": True})
    assert len(result(run, TEACH, "GANRMMakeGroups")["scores"]) == 9
    trained = result(run, TEACH, "GANRMTrainOnGroups")
    assert (trained["stopped"], trained["reused"], len(trained["loss"])) == ([""], [False], 3)
    assert [look["steps"] for look in trained["looks"]] == [0, 1, 2, 3]
    (verdict,) = result(run, TEACH, "GANRMCompareModels")["summary"]
    assert "Keep this LoRA" in verdict or "Do not keep this LoRA" in verdict
    (path,) = result(run, TEACH, "GANRMSaveLora")["path"]
    assert server.folder("models", "loras", path).is_file()

    again = queued(
        client, TEACH, **{**small, "GANRMTrainOnGroups": {**small["GANRMTrainOnGroups"], "seed": 1}}
    )
    assert only(shipped_prompt(TEACH), "GANRMMakeGroups") in again.cached
    (verdict,) = result(again, TEACH, "GANRMCompareModels")["summary"]
    (saved,) = result(again, TEACH, "GANRMSaveLora")["path"]
    assert bool(saved) == verdict.startswith("Keep")


def test_generator_and_taste_learn_in_turn(client: Client, server: Server) -> None:
    small = {
        "GANRMAdversarialTraining": {
            "rounds": 2,
            "groups": 2,
            "pictures": 3,
            "rank": 4,
            "watch_every": 1,
            "watched": 4,
        },
        "GANRMCompareModels": {"pictures": 2},
    }
    run = queued(client, ADVERSARIAL, **small, GANRMSaveLora={"keep": True})
    shown = result(run, ADVERSARIAL, "GANRMAdversarialTraining")
    assert (shown["rounds"], [look["rounds"] for look in shown["looks"]]) == ([2], [0, 1, 2])
    _is_handed_on_if_it_is_better(run, ADVERSARIAL, server)


def _is_handed_on_if_it_is_better(run: Run, name: str, server: Server) -> None:
    """A LoRA that is better than none is compared and saved; else those nodes wait."""
    if result(run, name, "GANRMAdversarialTraining")["kept"] == [0]:
        waiting = [only(shipped_prompt(name), kind) for kind in ("GANRMCompareModels", "GANRMSaveLora")]
        assert not {*waiting} & {*run.outputs}
        return
    (verdict,) = result(run, name, "GANRMCompareModels")["summary"]
    assert "Keep this LoRA" in verdict or "Do not keep this LoRA" in verdict
    (path,) = result(run, name, "GANRMSaveLora")["path"]
    assert server.folder("models", "loras", path).is_file()


def test_a_style_is_taken_over(client: Client, server: Server) -> None:
    style = server.folder("input", "style")
    style.mkdir()
    for path in sorted(server.folder("input", "liked").iterdir())[:12]:
        (style / path.name).write_bytes(path.read_bytes())
    small = {
        "GANRMTrain": {"views": 1},
        "GANRMAdversarialTraining": {
            "rounds": 2,
            "groups": 2,
            "pictures": 3,
            "rank": 4,
            "watch_every": 1,
            "watched": 4,
        },
        "GANRMCompareModels": {"pictures": 2},
    }
    run = queued(client, STYLE, **small)
    assert result(run, STYLE, "GANRMAdversarialTraining")["rounds"] == [2]
    _is_handed_on_if_it_is_better(run, STYLE, server)


def test_taste_and_prompt_choose_together(client: Client, server: Server) -> None:
    put_clip_halves(server.folder("models"))
    vision = server.folder("models", "clip_vision", "vision.safetensors")
    shutil.copy(vision, vision.with_name("clip-vit-large-patch14.safetensors"))
    run = queued(client, TOGETHER)
    best, saved = result(run, TOGETHER, "GANRMBestOfN"), result(run, TOGETHER, "GANRMSaveImages")
    assert (len(best["scores"]), len(saved["images"])) == (16, 4)
    assert saved["scores"] == sorted(best["scores"], reverse=True)[:4]
    told = str(result(run, TOGETHER, "PreviewAny"))
    assert all(words in told for words in ("67% my_taste", "33% prompt fit", "Measured on 16 pictures"))


def test_a_dataset_grows_by_picks_and_is_then_trained_on(client: Client, server: Server) -> None:
    waiting = queued(client, GROW)
    grown = result(waiting, GROW, "GANRMAddToDataset")
    assert (grown["added"], grown["count"], grown["picked"]) == ([0], [0], [])
    for skipped in ("GANRMTrain", "GANRMSaveModel"):
        assert only(shipped_prompt(GROW), skipped) not in waiting.outputs
    before = set(server.folder("models", "ganrm").iterdir())

    picked = queued(client, GROW, GANRMAddToDataset={"pick": "1 3 5-12"})
    assert "6" not in picked.executed, "the pictures were made anew"
    assert result(picked, GROW, "GANRMAddToDataset")["added"] == [10]
    assert len(list(server.folder("models", "ganrm_datasets", "my_likes").glob("*.png"))) == 10
    assert "10 liked" in result(picked, GROW, "GANRMTrain")["summary"][0]
    (path,) = result(picked, GROW, "GANRMSaveModel")["path"]
    assert {*before, server.folder("models", "ganrm", path)} == set(
        server.folder("models", "ganrm").iterdir()
    )

    again = result(queued(client, GROW, GANRMAddToDataset={"pick": "all"}), GROW, "GANRMAddToDataset")
    assert (again["added"], again["skipped"]) == ([6], [10])


def test_too_few_picks_are_kept_and_training_says_how_many_it_needs(client: Client, server: Server) -> None:
    before = set(server.folder("models", "ganrm").iterdir())
    run = queued(client, GROW, GANRMAddToDataset={"pick": "2 3", "dataset_name": "few"})
    (summary,) = result(run, GROW, "GANRMTrain")["summary"]
    assert summary.startswith("2 of 10 liked pictures in datasets/few, eight to go.")
    assert len(result(run, GROW, "GANRMTrain")["images"]) == 1
    assert only(shipped_prompt(GROW), "GANRMSaveModel") not in run.outputs
    assert len(list(server.folder("models", "ganrm_datasets", "few").glob("*.png"))) == 2
    assert set(server.folder("models", "ganrm").iterdir()) == before


def test_the_sheets_are_shown_before_training_begins(client: Client) -> None:
    run = queued(client, GROW, GANRMAddToDataset={"pick": "1-11", "dataset_name": "sheets_first"})
    shown = [event.data["node"] for event in run.events if event.kind == "executed"]
    kinds = ("GANRMScore", "GANRMAddToDataset", "GANRMTrain")
    *sheets, train = (shown.index(only(shipped_prompt(GROW), kind)) for kind in kinds)
    assert max(sheets) < train


def _save(link: list[Any]) -> Json:
    return node("SaveImage", images=link, filename_prefix="all")


def _series(about: Json) -> str:
    """The model's name without the number of its version: the workflows load the newest."""
    return str(about["model"]).partition(" (")[0]


def test_a_vision_language_judge_keeps_the_best_two_and_says_why(client: Client, server: Server) -> None:
    (model,) = {
        each["inputs"]["model"] for each in shipped_prompt(JUDGE).values() if "criterion" in each["inputs"]
    }
    write_qwen2_vl(server.folder("models", *model.split("/")))
    run = queued(client, JUDGE)
    scored, saved = result(run, JUDGE, "GANRMScore"), result(run, JUDGE, "GANRMSaveImages")
    assert len(scored["scores"]) == 8
    assert saved["scores"] == sorted(scored["scores"], reverse=True)[:2]
    assert "\n\n8: " in str(result(run, JUDGE, "PreviewAny")["text"][0])
