"""Prompts and Make Groups in a real ComfyUI: exactness against KSampler, kept groups, Cancel, and a killed server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from host_support.client import Client, PromptRefusedError
from host_support.fixtures import MakeServer, link_models
from host_support.pack_fixtures import make_pictures
from host_support.pack_prompts import groups, training
from host_support.prompts import Json, images, node, sampling
from host_support.server import Server
from safetensors.torch import load_file

MODEL = "taste.safetensors"


def ran(client: Client, prompt: Json) -> Json:
    """What Make Groups says to a script."""
    shown: Json = client.run(prompt).expect_success().outputs["groups"]
    return shown


def costs(shown: Json) -> tuple[int, int, int]:
    """Pictures made, scored again, and taken from the disk."""
    made, rescored, reused = (int(shown[name][0]) for name in ("made", "rescored", "reused"))
    return made, rescored, reused


def kept(server: Server) -> list[Path]:
    return sorted(server.folder("user", "__ganrm", "groups").glob("*.safetensors"))


def latents_of(paths: list[Path]) -> list[torch.Tensor]:
    return [tensors["latents"] for path in paths if "latents" in (tensors := load_file(path))]


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "uni_pc", "euler_ancestral", "dpmpp_2m_sde"])
def test_each_latent_is_the_one_ksampler_makes_of_its_seed(
    client: Client, server: Server, taste: str, sampler: str
) -> None:
    before = kept(server)
    prompt = groups(taste, "a boat", sampler_name=sampler, count=1)
    ((first, _, last),) = ran(client, prompt)["seeds"]
    (found,) = latents_of([path for path in kept(server) if path not in before])
    core = {name: prompt[name] for name in ("model", "empty")}
    core["text"] = node("CLIPTextEncode", text="a boat", clip=["model", 1])
    core["other"] = node("CLIPTextEncode", text="", clip=["model", 1])
    for name, seed in (("first", first), ("last", last)):
        widgets = {"steps": 3, "cfg": 1.5, "sampler_name": sampler, "negative": ["other", 0]}
        core[name] = node("KSampler", **sampling(seed=seed, **widgets))
        core[f"save {name}"] = node(
            "SaveLatent", samples=[name, 0], filename_prefix=f"alone_{sampler}_{name}"
        )
    client.run(core).expect_success()
    for name, latent in (("first", found[0]), ("last", found[2])):
        (path,) = server.folder("output").glob(f"alone_{sampler}_{name}*.latent")
        assert torch.allclose(load_file(path)["latent_tensor"][0], latent, atol=1e-4)


def test_from_prompts_to_groups_and_again_for_nothing(client: Client, server: Server, taste: str) -> None:
    prompt = groups(taste, steps=4)
    run = client.run(prompt).expect_success()
    shown = run.outputs["groups"]
    assert costs(shown) == (12, 0, 0)
    assert [len(scores) for scores in shown["scores"]] == [3] * 4
    assert shown["summary"][0].startswith("4 groups of 3 pictures")
    assert run.previews_of("groups")
    assert client.image(**shown["images"][0]).width == 1260
    client.run(
        {"images": images("64x64"), "end": node("PreviewImage", images=["images", 0])}
    ).expect_success()
    assert costs(ran(client, prompt)) == (0, 0, 12)
    assert costs(ran(client, groups(taste, steps=4, count=5))) == (3, 0, 12)
    names = client.run(groups(taste, "a house\n# no\na tree\na house", steps=4)).expect_success().outputs
    assert set(names["prompts"]["prompts"]) == {"a house", "a tree"}


def test_cancel_stops_it_within_a_step_and_what_is_finished_stays(
    client: Client, server: Server, taste: str
) -> None:
    prompt = groups(taste, "a long {way|road}", steps=60, count=6)
    before = len(kept(server))
    run = client.start(prompt)
    _wait_until(lambda: len(kept(server)) >= before + 3)
    client.interrupt()
    assert run.wait(timeout=60).interrupted
    made, rescored, reused = costs(ran(client, prompt))
    assert reused + rescored >= 3
    assert made + rescored + reused == 18
    assert made >= 3


def test_a_killed_server_goes_on_where_it_was(make_server: MakeServer, tiny_generator: Path) -> None:
    server = make_server()
    link_models(tiny_generator, server)
    make_pictures(server)
    prompt = groups(MODEL, steps=40, count=6)
    with server.client() as before:
        before.run(training(name="taste")).expect_success()
        before.start(prompt)
        _wait_until(lambda: len(kept(server)) >= 3)
    server.restart(kill=True)
    with server.client() as after:
        first = ran(after, prompt)
        assert costs(first)[0] <= 15
        assert sum(costs(first)) == 18
    server.restart()
    with server.client() as again:
        second = ran(again, prompt)
    assert costs(second) == (0, 0, 18)
    assert second["scores"] == first["scores"]
    assert second["seeds"] == first["seeds"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"sampler_name": "magic"}, "magic"), ({"scheduler": "magic"}, "magic")],
)
def test_what_does_not_exist_is_refused_before_the_work(
    client: Client, taste: str, changes: Json, words: str
) -> None:
    with pytest.raises(PromptRefusedError, match=words):
        client.run(groups(taste, **changes))


def test_wrong_inputs_are_one_clear_message(client: Client, taste: str) -> None:
    prompts: list[tuple[Json, str]] = [
        (groups(taste, text="# nothing"), "There are no prompts"),
        (groups(taste, text="a {cat"), "without its }"),
        (
            {
                **groups(taste),
                "empty": node("EmptyHunyuanLatentVideo", width=64, height=64, length=9, batch_size=1),
            },
            "video",
        ),
    ]
    for prompt, words in prompts:
        assert words in client.run(prompt).error_message


def _wait_until(happened: Any, timeout: float = 120) -> None:
    end = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
