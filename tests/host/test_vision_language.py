"""Vision-language judge on a real server: references, reasons, a sampler that it steers, and Cancel within a reason."""

from __future__ import annotations

import pytest
from host_support.client import Client
from host_support.pack_prompts import best_of_n_sampler, scored
from host_support.prompts import echo, echoed, images, text_to_image
from host_support.server import Server
from host_support.tiny_rewards import vision_language
from unit_support.tiny_chat_models import write_qwen2_vl

TEXT = "a red fox in the snow"


@pytest.fixture(scope="module", autouse=True)
def _model(server: Server) -> None:
    write_qwen2_vl(server.folder("models") / "ganrm_judges" / "Tiny-VL")


@pytest.mark.usefixtures("tiny_generator")
def test_it_compares_gives_reasons_and_chooses_in_a_sampler(client: Client) -> None:
    judge = vision_language(
        references=["images", 0], reference_choice="best two", reason="answer first", prompts=TEXT
    )
    prompt = {
        **text_to_image(),
        "images": images("64x64, 64x64, 64x64"),
        "judge": judge,
        "score": scored(reward=["judge", 0], prompts=TEXT),
        "best": best_of_n_sampler(reward=["judge", 0], prompts=TEXT, n=2, pruning="off"),
        "kept": echo("kept", ["best", 2]),
    }
    run = client.run(prompt).expect_success()
    assert all("position bias" in reason for reason in run.outputs["score"]["reasons"])
    assert len(echoed(client, "kept")) == 1


def test_cancel_stops_it_within_a_reason(client: Client) -> None:
    judge = vision_language(criterion="quality", reason="reason first", reason_length=1000)
    prompt = {
        "images": images(", ".join(["64x64"] * 50)),
        "judge": judge,
        "score": scored(reward=["judge", 0]),
    }
    run = client.start(prompt)
    run.wait_for(lambda event: event.kind == "progress" and event.data.get("node") == "score")
    client.interrupt()
    assert run.wait(timeout=60).interrupted
