"""Prompts that reach a reward: over text, a list, Prompts, and out of the files that ComfyUI saves."""

from __future__ import annotations

from typing import Any

import pytest
from host_support.client import Client
from host_support.pack_prompts import best_of_n_sampler, score_folder, scored
from host_support.prompts import Json, images, node, text_to_image

PROMPT = "a red fox in (deep:1.2) snow"
PLAIN = len("a red fox in deep snow") / 100


def made(text: str = PROMPT) -> Json:
    """Nodes of a picture whose text also feeds the reward, and the reward "load"."""
    given = {
        **text_to_image(),
        "words": node("PrimitiveStringMultiline", value=text),
        "load": node("ProbeReward"),
    }
    given["text"]["inputs"]["text"] = ["words", 0]
    return given


def test_text_and_prompts_reach_score_and_the_sampler(client: Client) -> None:
    lists = {"text": "one\nthree", "file": "none", "negative": "", "choices": "one at random"}
    prompt = {
        **made(),
        "best": best_of_n_sampler(prompts=["words", 0]),
        "list": node("GANRMPrompts", clip=["model", 1], **lists, seed=0, most=9),
        "images": images("64x64, 64x64"),
        "own": scored(prompts=["list", 0]),
        "same": scored(prompts=["words", 0]),
    }
    outputs = client.run(prompt).expect_success().outputs
    assert outputs["best"]["scores"] == pytest.approx([PLAIN])
    assert outputs["own"]["scores"] == pytest.approx([0.03, 0.05])
    assert outputs["same"]["scores"] == pytest.approx([PLAIN, PLAIN])


@pytest.mark.parametrize("what", ["score", "sampler"])
def test_none_connected(client: Client, what: str) -> None:
    node_of = {"score": scored(), "sampler": best_of_n_sampler()}
    run = client.run({**made(), "images": images("64x64"), "own": node_of[what]})
    assert "connect the text" in run.error_message.lower()


_SAVERS: dict[str, Json] = {
    "png": {"class_type": "SaveImage"},
    "webp": {
        "class_type": "SaveAnimatedWEBP",
        "fps": 6.0,
        "lossless": True,
        "quality": 80,
        "method": "fastest",
    },
}


@pytest.mark.parametrize("form", _SAVERS)
def test_score_folder_finds_the_prompt_in_saved_files(client: Client, form: str) -> None:
    save = node(**_SAVERS[form], images=["decode", 0], filename_prefix=f"prompted/{form}/fox")
    client.run({**made(), "save": save}).expect_success()
    folder: dict[str, Any] = score_folder("", folder=f"output/prompted/{form}", keep=0)
    run = client.run({**folder, "load": node("ProbeReward")}).expect_success()
    assert f"max {PLAIN:.2f}" in run.outputs["folder"]["summary"][0]
