"""Hosts that drop outputs while a workflow is open, and newer hosts' models: nothing is lost, nothing is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from host_support.client import Client
from host_support.fixtures import MakeServer
from host_support.in_process import Ran, run_scenarios
from host_support.install import ComfyUI
from host_support.pack_prompts import best_of_n
from host_support.prompts import Json, echo, images, node
from host_support.server import Server

EVERYTHING = ("--cache-ram", "1000", "1000")
"""Headroom in GB that no machine has: every output is dropped as soon as its node has run and been read."""
SIXTEEN = ", ".join(["64x64"] * 16)


@pytest.fixture
def forgetful(comfyui: ComfyUI, make_server: MakeServer) -> Server:
    if not comfyui.knows_option("--high-ram"):  # as old as the second threshold
        pytest.skip("this ComfyUI drops no outputs while it runs")
    server = make_server(args=EVERYTHING)
    server.folder("models", "ganrm_datasets", "likes").mkdir(parents=True)
    return server


@pytest.fixture
def artist(forgetful: Server) -> Iterator[Client]:
    with forgetful.client() as client:
        yield client


def adding(pick: str, seed: int = 0) -> Json:
    """Sixteen pictures, and Add to Dataset below them."""
    return {
        "images": images(SIXTEEN, seed=seed),
        "add": node("GANRMAddToDataset", images=["images", 0], dataset_name="likes", pick=pick),
    }


def test_look_type_and_run_again(artist: Client, forgetful: Server) -> None:
    # What happens to every other node: its pictures are gone, and are made again.
    looking = {"images": images(SIXTEEN, seed=5), "echo": echo("looked", ["images", 0])}
    for _ in range(2):
        assert "images" in artist.run(looking).expect_success().executed

    assert "images" in artist.run(adding("")).expect_success().executed
    artist.run(looking).expect_success()  # another workflow in between
    picked = artist.run(adding("1 4 7-9")).expect_success()
    assert "images" not in picked.executed
    assert picked.outputs["add"]["added"] == [5]
    files = {path.name for path in forgetful.folder("models", "ganrm_datasets", "likes").iterdir()}

    # The same numbers of the same pictures, after the page has changed the seed.
    artist.run(adding("")).expect_success()
    again = artist.run(adding("9 8 7 4 1", seed=77)).expect_success()
    assert "images" not in again.executed
    assert (again.outputs["add"]["added"], again.outputs["add"]["skipped"]) == ([0], [5])
    assert {path.name for path in forgetful.folder("models", "ganrm_datasets", "likes").iterdir()} == files
    # No numbers: new pictures are wanted.
    assert "images" in artist.run(adding("", seed=78)).expect_success().executed


def test_another_setting_of_best_of_n_makes_no_new_pictures(artist: Client) -> None:
    def best(keep: int) -> Json:
        return {
            "images": images("64x64, 64x64, 64x64, 64x64"),
            "scores": node("ProbeScores", scores="0.2, 0.9, 0.4, 0.7"),
            "best": best_of_n(given_scores=["scores", 0], keep=keep),
        }

    first = artist.run(best(1)).expect_success()
    second = artist.run(best(2)).expect_success()
    assert "images" in first.executed
    assert "images" not in second.executed
    assert (first.outputs["best"]["indices"], second.outputs["best"]["indices"]) == ([1], [1, 3])


@pytest.fixture(scope="module")
def ran(comfyui: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_scenarios(comfyui, "reward_patchers", Path(tmp_path_factory.mktemp("reward_patchers")))


def test_the_host_finds_the_model_in_every_managed_reward(ran: Ran) -> None:
    assert set(ran["found_in_outputs"].values()) == {True}


def test_a_dynamically_offloaded_model_beside_a_reward(ran: Ran) -> None:
    found = ran["beside_a_dynamic_model"]
    assert found == {"loaded": ["dynamic", "reward"], "reward is dynamic": False, "scores alike": True}
