"""What the server refuses when a graph is queued, how it words it, and how it names the errors of a run."""

from __future__ import annotations

from typing import Any

import pytest
from host_support.client import Client, PromptRefusedError
from host_support.pack_prompts import best_of_n, images, loaded, scored, training
from host_support.prompts import Json, node
from host_support.server import Server

SCORES = node("ProbeScores", scores="0.2, 0.9", form="list")


def grow(**inputs: Any) -> Json:
    given = {"images": ["images", 0], "dataset_name": "queued", "pick": "", **inputs}
    return {"images": images("64x64, 64x64"), "grow": node("GANRMAddToDataset", **given)}


def best(**inputs: Any) -> Json:
    return {"images": images("64x64, 64x64"), "scores": SCORES, "best": best_of_n(**inputs)}


def combined(**weights: Any) -> Json:
    return {
        "load": loaded("my_taste.safetensors"),
        "both": node("GANRMEnsemble", reward_1=["load", 0], reward_2=["load", 0], name="", **weights),
        "images": images("64x64"),
        "score": scored(reward=["both", 0]),
    }


def refusal(client: Client, prompt: Json) -> PromptRefusedError:
    with pytest.raises(PromptRefusedError) as caught:
        client.run(prompt)
    return caught.value


@pytest.mark.usefixtures("taste")
@pytest.mark.parametrize(
    ("prompt", "at", "words"),
    [
        (best(), "best", "Nothing to judge by: connect a reward"),
        (best(given_scores=["scores", 0], min_keep=2), "best", "between 0 and keep"),
        (best(given_scores=["scores", 0], order="upside down"), "best", "no order"),
        (grow(pick="foo"), "grow", '"foo" is no number to pick'),
        (grow(dataset_name="../out"), "grow", "not written to"),
        (combined(weight_1=0.0, weight_2=0.0), "both", "weight other than 0"),
        (training("input/liked", preset="paper", adapt="lora"), "train", "keeps its backbone frozen"),
        (
            {"load": loaded("newest of nothing"), "images": images("64x64"), "score": scored()},
            "load",
            '"nothing"',
        ),
    ],
)
def test_refused_once_and_in_its_own_words(client: Client, prompt: Json, at: str, words: str) -> None:
    error = refusal(client, prompt)
    (said,) = error.node_errors[at]["errors"]
    assert words in said["details"]
    assert set(error.node_errors) == {at}


def test_what_comes_over_a_link_is_left_to_the_run(client: Client) -> None:
    prompt = {**best(given_scores=["scores", 0]), "two": node("PrimitiveInt", value=2)}
    prompt["best"]["inputs"]["min_keep"] = ["two", 0]
    assert "between 0 and keep" in client.run(prompt).error_message
    prompt["best"]["inputs"]["keep"] = ["two", 0]
    assert len(client.run(prompt).expect_success().outputs["best"]["indices"]) == 2


def test_an_error_of_a_run_has_a_short_name(client: Client, server: Server) -> None:
    run = client.run(
        best(given_scores=["scores", 0], images=["three", 0]) | {"three": images("64x64, 64x64, 64x64")}
    )
    assert run.error is not None
    assert run.error["exception_type"] == "ganrm_core.utils.errors.DataError"
    assert "ganrm_core.utils.errors.DataError: There are 3 candidates but 2 scores" in server.log()


@pytest.mark.usefixtures("taste")
class TestTrainedAgain:
    def test_the_next_graph_uses_the_newest_without_a_new_choice(self, client: Client) -> None:
        def name() -> str:
            prompt = {
                "load": loaded("newest of again"),
                "images": images("64x64"),
                "save": node(
                    "GANRMSaveImages",
                    images=["images", 0],
                    filename_prefix="again",
                    format="png",
                    quality=95,
                    reward=["load", 0],
                ),
            }
            run = client.run(prompt).expect_success()
            (entry,) = run.outputs["save"]["images"]
            told: str = client.image(**entry).info["ganrm"]
            return told

        first = client.run(training(name="again"), timeout=300).expect_success().outputs["save"]
        assert first["path"] == ["again.safetensors"]
        assert first["text"][0].startswith("Saved as again.safetensors. AUC ")
        assert '"again"' in name()
        second = client.run(training(name="again", seed=1), timeout=300).expect_success().outputs["save"]
        assert second["path"] == ["again (2).safetensors"]
        assert ", before " in second["text"][0]
        assert len(second["images"]) == 1
        assert '"again (2)"' in name()
