"""Adversarial LoRA Training on a real server: rounds, reports, going on after stops and kills, Cancel, errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from host_support.client import Client
from host_support.fixtures import MakeServer, link_models
from host_support.pack_fixtures import make_pictures
from host_support.pack_prompts import adversarial_training, loaded, saved_model, scored, training
from host_support.prompts import Json, digests, echo, echoed, node, text_to_image
from host_support.run import Event, Run
from host_support.server import Server

REUSED = "Reused: nothing had changed."


@pytest.fixture(scope="module")
def trained(server: Server, taste: str) -> Run:
    with server.client() as client:
        prompt = {**adversarial_training(taste), "save": saved_model("lora", "refreshed")}
        prompt["save"]["inputs"]["reward"] = ["lora", 1]
        return client.run(prompt).expect_success()


def kept(server: Server) -> set[Path]:
    return set(server.folder("user", "__ganrm", "rounds").glob("*.safetensors"))


def picture(client: Client, label: str, **inputs: object) -> list[str]:
    """The digest of what KSampler makes with the model as it is; the server's cache holds nothing of an earlier run."""
    client.run({"images": node("ProbeImages", sizes="8x8"), "echo": echo("other", ["images", 0])})
    client.run({**text_to_image(steps=2, **inputs), "echo": echo(label, ["sampler", 0])}).expect_success()
    return digests(echoed(client, label))


def test_rounds_are_seen_live_and_in_a_report(trained: Run, client: Client) -> None:
    assert len({preview.data for preview in trained.previews_of("lora")}) >= 3
    shown = trained.outputs["lora"]
    assert (shown["rounds"], shown["reused"], len(shown["loss"])) == ([2], [False], 2)
    assert [look["rounds"] for look in shown["looks"]] == [0, 1, 2]
    assert {"forgetting", "diversity", "prompts", "lead"} <= set(shown["looks"][-1])
    (card,) = shown["images"]
    last, size = trained.previews_of("lora")[-1].image, client.image(**card).size
    assert last.width / last.height == pytest.approx(size[0] / size[1], rel=0.02)


def test_the_refreshed_taste_can_be_saved_and_scores_otherwise(
    trained: Run, client: Client, taste: str
) -> None:
    (path,) = trained.outputs["save"]["path"]
    scores = []
    for model in (taste, path):
        prompt = {"images": node("ProbeImages", sizes="64x64"), "load": loaded(model), "score": scored()}
        scores.append(client.run(prompt).expect_success().outputs["score"]["scores"])
    assert scores[0] != scores[1]


def test_the_same_again_is_not_trained_twice_and_more_rounds_go_on(
    trained: Run, client: Client, server: Server, taste: str
) -> None:
    files = kept(server)
    client.run({"images": node("ProbeImages", sizes="8x8"), "echo": echo("other", ["images", 0])})
    again = client.run(adversarial_training(taste)).expect_success().outputs["lora"]
    assert (again["reused"], again["loss"]) == ([True], trained.outputs["lora"]["loss"])
    assert REUSED in again["summary"][0]
    assert kept(server) == files
    more = client.run(adversarial_training(taste, rounds=4)).expect_success().outputs["lora"]
    assert (more["reused"], more["rounds"]) == ([False], [4])
    assert more["loss"][:2] == trained.outputs["lora"]["loss"]
    fewer = client.run(adversarial_training(taste, rounds=1)).expect_success().outputs["lora"]
    assert (fewer["reused"], fewer["loss"]) == ([True], more["loss"]), (
        "a longer training is not lost for a shorter one"
    )
    assert "4 rounds were done already" in fewer["summary"][0]


def test_the_other_method_with_a_judge_and_ordinary_pictures(client: Client, taste: str) -> None:
    prompt = adversarial_training(
        taste, method="grpo", judge=["load", 0], ordinary=["ordinary", 0], micro_batch=8
    )
    prompt["ordinary"] = node("GANRMImageFolder", folder="input/ordinary", recursive=False)
    shown = client.run(prompt).expect_success().outputs["lora"]
    assert shown["rounds"] == [2]
    assert "judge" in shown["looks"][-1]


def test_every_part_is_judged_too_and_it_goes_on_after_a_stop(client: Client, taste: str) -> None:
    def run(rounds: int) -> Json:
        prompt = adversarial_training(taste, patches=True, rounds=rounds)
        prompt |= {"save": saved_model("lora", f"style_{rounds}")}
        prompt["save"]["inputs"]["reward"] = ["lora", 1]
        shown: Json = client.run(prompt).expect_success().outputs["lora"]
        return shown

    first, more, again = run(1), run(3), run(2)
    assert more["loss"][:1] == first["loss"][:1]
    assert (more["reused"], again["reused"]) == ([False], [True])
    refused = client.run(adversarial_training(taste, patches=True, refresh=False))
    assert "switch 'refresh' on" in refused.error_message


def test_cancel_keeps_the_finished_rounds_and_leaves_the_model(
    client: Client, server: Server, taste: str
) -> None:
    before, files = picture(client, "before"), kept(server)
    prompt, stored = adversarial_training(taste, rounds=500, seed=7), set[Path]()

    def has_done_rounds(_: Event) -> bool:
        stored.update(kept(server) - files)
        return len(stored) >= 4  # before the first round, and after each

    run = client.start(prompt)
    run.wait_for(has_done_rounds)
    client.interrupt()
    assert run.wait(60).interrupted
    assert picture(client, "after") == before
    prompt["lora"]["inputs"]["rounds"] = 1
    best = client.run(prompt).expect_success().outputs["lora"]
    assert best["reused"] == [True], "what was done before Cancel is there"
    assert best["rounds"][0] >= 3


def test_an_error_leaves_the_model_as_it_was(client: Client, taste: str) -> None:
    before = picture(client, "before", seed=5)
    prompt = adversarial_training(taste, model=["failing", 0], rounds=50)
    run = client.run({**prompt, "failing": node("ProbeFailing", model=["model", 0], calls=120)})
    assert "the model broke" in run.error_message
    assert picture(client, "after", seed=5) == before


def test_after_a_kill_it_goes_on_as_if_there_had_been_none(
    make_server: MakeServer, tiny_generator: Path, trained: Run, taste: str
) -> None:
    server = make_server()
    make_pictures(server)
    link_models(tiny_generator, server)
    with server.client() as client:
        client.run(training(name="my_taste")).expect_success()
        whole = client.run(adversarial_training("my_taste.safetensors", rounds=3)).expect_success()
        run = client.start(adversarial_training("my_taste.safetensors", rounds=3, rank=8))
        files = kept(server)
        run.wait_for(lambda event: event.kind == "progress" and bool(kept(server) - files))
    server.restart(kill=True)
    assert len(kept(server)) == 2
    with server.client() as client:
        after = client.run(adversarial_training("my_taste.safetensors", rounds=3, rank=8)).expect_success()
        again = client.run(adversarial_training("my_taste.safetensors", rounds=3)).expect_success()
        for path in kept(server):
            path.unlink()
        anew = client.run(adversarial_training("my_taste.safetensors", rounds=3, rank=8, alpha=8.0))
    assert again.outputs["lora"]["reused"] == [True]
    assert again.outputs["lora"]["loss"] == whole.outputs["lora"]["loss"]
    assert anew.expect_success().outputs["lora"]["loss"] == after.outputs["lora"]["loss"]


def test_what_cannot_be_trained_is_refused(client: Client, server: Server, taste: str) -> None:
    few = server.folder("input", "few")
    few.mkdir()
    for path in sorted(server.folder("input", "liked").iterdir())[:3]:
        (few / path.name).write_bytes(path.read_bytes())
    more = {
        "both": node(
            "GANRMEnsemble", reward_1=["load", 0], reward_2=["load", 0], weight_1=1.0, weight_2=1.0, name=""
        ),
        "few": node("GANRMImageFolder", folder="input/few", recursive=False),
        "clip": node("EmptyHunyuanLatentVideo", width=64, height=64, length=9, batch_size=1),
    }
    for inputs, words in (
        ({"references": ["few", 0]}, "There are only 3 liked pictures"),
        ({"latent_image": ["clip", 0]}, "This latent is a video"),
        ({"reward": ["both", 0]}, "switch 'refresh' off"),
    ):
        run = client.run({**adversarial_training(taste, **inputs), **more})
        assert words in run.error_message
