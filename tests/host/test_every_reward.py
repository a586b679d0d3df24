"""Rewards of every kind on a real server: they score, are freed by /free, stop at Cancel, and judge together.

What holds of their scores is in tests/unit/rewards/test_every_reward.py. A new kind is added to `host_support.tiny_rewards`.
"""

from __future__ import annotations

import re

import pytest
from host_support.client import Client
from host_support.pack_prompts import loaded, scored
from host_support.prompts import Json, echo, images, node
from host_support.run import Event
from host_support.server import Server
from host_support.tiny_rewards import combined, judge, put_networks, rewards

TEXT = "a red fox in the snow"
KINDS = tuple(rewards(""))
HELD = [
    ".ManagedNetworkReward",
    ".ManagedReward",
    ".NetworkReward",
    ".RewardModel",
    ".ManagedModule",
    ".CombinedReward",
    ".ChatModel",
]


@pytest.fixture(scope="module", autouse=True)
def _networks(server: Server) -> None:
    put_networks(server.folder("models"))


def judged(kind: str, taste: str, sizes: str = "64x64, 48x80") -> Json:
    """Pictures, scored by one kind of reward."""
    return {
        **rewards(taste)[kind],
        "images": images(sizes, form="list"),
        "score": scored(reward=["judge", 0], prompts=TEXT),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_it_scores_and_is_freed(client: Client, taste: str, kind: str) -> None:
    prompt = judged(kind, taste)
    first = client.run(prompt).expect_success().outputs["score"]["scores"]
    assert len(set(first)) == 2
    assert sum(client.post("/probe/gc", HELD).values()) > 0
    client.free()
    client.run({"images": images("64x64"), "echo": echo("free", ["images", 0])})
    assert set(client.post("/probe/gc", HELD).values()) == {0}
    assert client.run(prompt).expect_success().outputs["score"]["scores"] == first


@pytest.mark.parametrize("kind", KINDS)
def test_cancel_stops_it_between_two_pictures(client: Client, taste: str, kind: str) -> None:
    def begun(event: Event) -> bool:
        data = event.data
        return event.kind == "progress" and data["node"] == "score" and 1 <= data["value"] < data["max"]

    run = client.start(judged(kind, taste, ", ".join(["64x64"] * 900)))
    run.wait_for(begun)
    client.interrupt()
    assert run.wait().interrupted
    done, most = run.progress_of("score")[-1]
    assert done < most


def test_a_judge_and_a_taste_become_one_and_a_missing_prompt_is_asked_for(client: Client, taste: str) -> None:
    both = {
        "load": loaded(taste),
        "judge": judge("PickScore v1"),
        "both": combined("load", "judge"),
        "images": images("64x64, 48x80", form="list"),
    }
    run = client.run({**both, "score": scored(reward=["both", 0], prompts=TEXT)}).expect_success()
    assert len(run.outputs["score"]["scores"]) == 2
    failed = client.run({**both, "score": scored(reward=["both", 0])})
    assert "PickScore v1 judges pictures by their prompt" in failed.error_message


def test_together_they_are_measured_on_pictures_of_any_size_or_on_a_folder(
    client: Client, server: Server, taste: str
) -> None:
    sizes = "64x64, 48x80, 80x48, 64x32, 40x40, 56x64"
    folder = node("GANRMImageFolder", folder="input/liked", recursive=False)
    prompt = {
        "load": loaded(taste),
        "judge": judge("PickScore v1"),
        "images": images(sizes, form="list"),
        "batch": combined("load", "judge", pictures=["images", 0], prompts=TEXT),
        "files": combined("load", "judge", pictures=["liked", 0], prompts=TEXT),
        "liked": folder,
        "score": scored(reward=["batch", 0], prompts=TEXT),
        "other": scored(reward=["files", 0], prompts=TEXT),
    }
    outputs = client.run(prompt).expect_success().outputs
    assert len(outputs["score"]["scores"]) == len(outputs["other"]["scores"]) == 6
    assert outputs["score"]["scores"] != outputs["other"]["scores"]
    one = {**prompt, "one": images("64x64", form="list"), "score": scored(reward=["batch", 0], prompts=TEXT)}
    one["score"]["inputs"]["images"] = ["one", 0]
    alone = client.run(one).expect_success().outputs["score"]["scores"]
    assert alone == pytest.approx(outputs["score"]["scores"][:1], abs=1e-5), (
        "the scale does not move with the batch"
    )
    (summary,) = client.run({**prompt, "show": node("PreviewAny", source=["batch", 1])}).outputs["show"][
        "text"
    ]
    assert re.search(r"Measured on 6 pictures.*my_taste \S+, PickScore v1 \S+\.", summary)
