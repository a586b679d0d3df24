"""Refusals at queueing and errors at run time: which node they name, their wording, their exception type."""

from __future__ import annotations

from typing import Any

import pytest
from host_support.client import Client, PromptRefusedError
from host_support.pack_prompts import best_of_n, loaded, save_images, scoring, training
from host_support.prompts import Json, images, node
from host_support.server import Server


def grow(**inputs: Any) -> Json:
    given = {"images": ["images", 0], "dataset_name": "queued", "pick": "", **inputs}
    return {"images": images("64x64, 64x64"), "grow": node("GANRMAddToDataset", **given)}


def best(**inputs: Any) -> Json:
    scores = node("ProbeScores", scores="0.2, 0.9")
    return {"images": images("64x64, 64x64"), "scores": scores, "best": best_of_n(**inputs)}


@pytest.mark.usefixtures("taste")
@pytest.mark.parametrize(
    ("prompt", "at", "words"),
    [
        (best(), "best", "Nothing to judge by: connect a reward"),
        (best(given_scores=["scores", 0], min_keep=2), "best", "between 0 and keep"),
        (grow(dataset_name="../out"), "grow", "not written to"),
        (training("input/liked", preset="paper", adapt="lora"), "train", "keeps its backbone frozen"),
        (scoring("newest of nothing"), "load", '"nothing"'),
    ],
)
def test_refused_once_and_in_its_own_words(client: Client, prompt: Json, at: str, words: str) -> None:
    with pytest.raises(PromptRefusedError) as caught:
        client.run(prompt)
    assert set(caught.value.node_errors) == {at}
    (said,) = caught.value.node_errors[at]["errors"]
    assert words in said["details"]


def test_what_comes_over_a_link_is_left_to_the_run(client: Client) -> None:
    prompt = {**best(given_scores=["scores", 0]), "two": node("PrimitiveInt", value=2)}
    prompt["best"]["inputs"]["min_keep"] = ["two", 0]
    assert "between 0 and keep" in client.run(prompt).error_message
    prompt["best"]["inputs"]["keep"] = ["two", 0]
    assert len(client.run(prompt).expect_success().outputs["best"]["indices"]) == 2


def test_an_error_of_a_run_has_a_short_name(client: Client, server: Server) -> None:
    three = images("64x64, 64x64, 64x64")
    run = client.run(best(given_scores=["scores", 0], images=["three", 0]) | {"three": three})
    assert run.error["exception_type"] == "ganrm_core.utils.errors.DataError"
    assert "ganrm_core.utils.errors.DataError: There are 3 candidates but 2 scores" in server.log()


@pytest.mark.usefixtures("taste")
def test_the_next_graph_loads_the_newest_without_a_new_choice(client: Client) -> None:
    def name() -> str:
        saved = save_images("images", "again", reward=["load", 0])
        run = client.run({"load": loaded("newest of again"), "images": images("64x64"), "save": saved})
        (entry,) = run.expect_success().outputs["save"]["images"]
        told: str = client.image(**entry).info["ganrm"]
        return told

    first = client.run(training(name="again")).expect_success().outputs["save"]
    assert first["path"] == ["again.safetensors"]
    assert first["text"][0].startswith("Saved as again.safetensors. AUC ")
    assert '"again"' in name()
    second = client.run(training(name="again", seed=1)).expect_success().outputs["save"]
    assert second["path"] == ["again (2).safetensors"]
    assert ", before " in second["text"][0]
    assert len(second["images"]) == 1
    assert '"again (2)"' in name()
