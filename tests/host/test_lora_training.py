"""Train LoRA on Groups on a real server: preview, what core's nodes make of the LoRA, cached results, Cancel, errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from host_support.client import Client
from host_support.fixtures import MakeServer, link_models
from host_support.pack_fixtures import make_pictures
from host_support.pack_prompts import lora_training, training
from host_support.prompts import Json, digests, echo, echoed, node, text_to_image
from host_support.run import Run
from host_support.server import Server
from safetensors.torch import load_file

REUSED = "Reused: nothing had changed."


@pytest.fixture(scope="module")
def trained(server: Server, taste: str) -> Run:
    """A training with its LoRA saved in output/loras."""
    with server.client() as client:
        save = "SaveLoRA" if "SaveLoRA" in client.object_info() else "SaveLoRANode"  # newer and older servers
        prompt = {**lora_training(taste), "save": node(save, lora=["lora", 0], prefix="loras/taste")}
        return client.run(prompt).expect_success()


def kept(server: Server) -> set[Path]:
    return set(server.folder("user", "__ganrm", "loras").glob("*.safetensors"))


def picture(client: Client, label: str, **inputs: object) -> list[str]:
    """The digest of what KSampler makes with the model as it is; the server's cache holds nothing of an earlier run."""
    client.run({"images": node("ProbeImages", sizes="8x8"), "echo": echo("other", ["images", 0])})
    client.run({**text_to_image(steps=2, **inputs), "echo": echo(label, ["sampler", 0])}).expect_success()
    return digests(echoed(client, label))


def test_previews_losses_and_a_report_are_seen(trained: Run, client: Client) -> None:
    previews = trained.previews_of("lora")
    assert len({preview.data for preview in previews}) >= 3
    shown = trained.outputs["lora"]
    assert len(set(shown["loss"])) >= 2
    assert (shown["steps"], shown["stopped"], shown["reused"]) == ([3], [""], [False])
    assert len(shown["held_out"]) == 2  # before and after
    assert "Compare Models" in shown["summary"][0]
    (card,) = shown["images"]
    last, size = previews[-1].image, client.image(**card).size
    assert last.width / last.height == pytest.approx(size[0] / size[1], rel=0.02)


def test_load_lora_makes_the_pictures_of_the_last_preview(
    trained: Run, client: Client, server: Server
) -> None:
    (preview,) = [found for path in kept(server) if "after" in (found := load_file(path))][:1]
    seed = trained.outputs["groups"]["seeds"][0][0]
    (file,) = server.folder("output", "loras").glob("taste_*.safetensors")
    drawn: Json = text_to_image("a cat", seed=seed, steps=2)
    drawn["lora"] = node("LoraLoaderModelOnly", model=["model", 0], lora_name=file.name, strength_model=1.0)

    ends = {"base": echo("base", ["sampler", 0])}
    client.run({**drawn, **ends}).expect_success()
    drawn["sampler"]["inputs"]["model"] = ["lora", 0]
    client.run({**drawn, "ours": echo("ours", ["sampler", 0])}).expect_success()
    (base,), (ours,) = echoed(client, "base"), echoed(client, "ours")
    wanted = preview["after"][0]
    for found, close in ((base, False), (ours, True)):
        samples = found["samples"]
        values = [samples["means"][0], samples["min"], samples["max"]]
        agrees = values == pytest.approx(
            [float(wanted.mean()), float(wanted.min()), float(wanted.max())], abs=1e-5
        )
        assert agrees == close


def test_the_same_training_again_is_not_done_twice(
    trained: Run, client: Client, server: Server, taste: str
) -> None:
    files = kept(server)
    client.run({"images": node("ProbeImages", sizes="8x8"), "echo": echo("other", ["images", 0])})
    again = client.run(lora_training(taste)).expect_success()
    assert "lora" in again.executed
    assert again.outputs["lora"]["reused"] == [True]
    assert REUSED in again.outputs["lora"]["summary"][0]
    assert again.outputs["lora"]["loss"] == trained.outputs["lora"]["loss"]
    other = client.run(lora_training(taste, seed=1)).expect_success()
    assert other.outputs["lora"]["reused"] == [False]
    assert len(kept(server) - files) == 2


def test_a_watched_training_learns_the_same_and_its_looks_are_kept(
    trained: Run, client: Client, server: Server, taste: str
) -> None:
    before, files = picture(client, "before", seed=6), kept(server)
    prompt = lora_training(taste, reward=["load", 0], judge=["load", 0])
    run = client.run(prompt).expect_success()
    shown = run.outputs["lora"]
    assert shown["loss"] == trained.outputs["lora"]["loss"]
    looks = shown["looks"]
    assert [look["steps"] for look in looks] == [0, 1, 2, 3]
    first = {
        "reward": 0,
        "judge": 0,
        "spread": 1,
        "diversity": 1,
        "prompts": 1,
        "forgetting": 1,
        "details": 1,
    }
    assert looks[0] == pytest.approx({"steps": 0, **first})
    assert any(look["reward"] for look in looks[1:])
    assert all(look["judge"] == pytest.approx(0, abs=1e-5) for look in looks), "it is the same taste"
    (card,), (plain,) = shown["images"], trained.outputs["lora"]["images"]
    assert client.image(**card).height > client.image(**plain).height
    assert picture(client, "after", seed=6) == before
    again = client.run(prompt).expect_success().outputs["lora"]
    assert (again["reused"], again["looks"]) == ([True], looks)
    assert len(kept(server) - files) == 2
    del prompt["lora"]["inputs"]["vae"]
    assert "connect the VAE" in client.run(prompt).error_message


def test_cancel_comes_within_a_step_and_leaves_nothing(client: Client, server: Server, taste: str) -> None:
    before, files = picture(client, "before"), kept(server)
    run = client.start(lora_training(taste, method="pairs", steps=5000, previews=False))
    run.wait_for(
        lambda event: event.kind == "progress" and event.data["node"] == "lora" and event.data["value"] > 0
    )
    client.interrupt()
    assert run.wait(60).interrupted
    assert kept(server) == files
    assert picture(client, "after") == before


def test_an_error_leaves_the_model_as_it_was(client: Client, server: Server, taste: str) -> None:
    before, files = picture(client, "before", seed=5), kept(server)
    prompt = lora_training(taste, model=["failing", 0], steps=20)
    run = client.run({**prompt, "failing": node("ProbeFailing", model=["model", 0], calls=60)})
    assert "the model broke" in run.error_message
    assert run.progress_of("lora"), "it had begun"
    assert kept(server) == files
    assert picture(client, "after", seed=5) == before


def test_nothing_is_trained_again_after_a_restart(make_server: MakeServer, tiny_generator: Path) -> None:
    server = make_server()
    make_pictures(server)
    link_models(tiny_generator, server)
    with server.client() as before:
        before.run(training(name="my_taste")).expect_success()
        first = before.run(lora_training("my_taste.safetensors", steps=1)).expect_success()
    server.restart(kill=True)
    with server.client() as after:
        second = after.run(lora_training("my_taste.safetensors", steps=1)).expect_success()
    assert (first.outputs["lora"]["reused"], second.outputs["lora"]["reused"]) == ([False], [True])
    assert second.outputs["groups"]["made"] == [0]
