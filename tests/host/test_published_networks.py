"""Rewards from published networks on a real server: found in their own folders, scoring, freed by /free, cancelled."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from contract_support.tiny_networks import put_clip_halves, put_pickscore
from host_support.client import Client
from host_support.pack_prompts import best_of_n_sampler, loaded, scored
from host_support.prompts import Json, echo, echoed, images, node, text_to_image
from host_support.server import Server
from unit_support.tiny_chat_models import write_qwen2_vl

HALF = "clip_vision/vision.safetensors"
TEXT = "a red fox in the snow"


@pytest.fixture(scope="module")
def networks(server: Server) -> Path:
    models = server.folder("models")
    put_pickscore(models)
    put_clip_halves(models)
    _put_laion(models)
    write_qwen2_vl(models / "ganrm_judges" / "Tiny-VL")
    return models


def vision_language(**inputs: object) -> Json:
    usual = {
        "model": "ganrm_judges/Tiny-VL",
        "criterion": "prompt fit",
        "instruction": "",
        "answer": "yes or no",
        "reason": "none",
        "reference_choice": "all",
        "pictures_per_call": 1,
        "reason_length": 40,
    }
    return node("GANRMVisionLanguageReward", **{**usual, **inputs})


def judged(reward: Json, **inputs: object) -> Json:
    """Two pictures, scored by one reward node."""
    return {
        "images": images("64x64, 48x80", form="list"),
        "judge": reward,
        "score": scored(reward=["judge", 0], **inputs),
    }


@pytest.mark.parametrize(
    ("reward", "inputs"),
    [
        (
            node("GANRMKnownReward", judge="PickScore v1", file="automatic", backbone="automatic"),
            {"prompts": TEXT},
        ),
        (
            node(
                "GANRMKnownReward",
                judge="LAION aesthetic v2",
                file="automatic",
                backbone="clip_vision/laion_clip.safetensors",
            ),
            {},
        ),
        (
            node(
                "GANRMPromptFit",
                model=HALF,
                text_encoder="text_encoders/clip_l.safetensors",
                formula="similarity",
                architecture="",
            ),
            {"prompts": TEXT},
        ),
        (vision_language(), {"prompts": TEXT}),
    ],
    ids=["PickScore", "LAION", "prompt fit", "vision-language"],
)
def test_it_scores_and_is_freed(client: Client, networks: Path, reward: Json, inputs: Json) -> None:
    prompt = judged(reward, **inputs)
    first = client.run(prompt).expect_success().outputs["score"]["scores"]
    assert len(set(first)) == 2
    kinds = [".ManagedNetworkReward", ".NetworkReward", ".ManagedModule", ".ChatModel"]
    assert client.post("/probe/gc", kinds)[".ManagedNetworkReward"] >= 1
    client.free()
    client.run({"images": images("64x64"), "echo": echo("free", ["images", 0])})
    assert set(client.post("/probe/gc", kinds).values()) == {0}
    assert client.run(prompt).expect_success().outputs["score"]["scores"] == first


def test_a_judge_and_a_taste_become_one_and_a_missing_prompt_is_asked_for(
    client: Client, networks: Path, taste: str
) -> None:
    judge = node("GANRMKnownReward", judge="PickScore v1", file="automatic", backbone="automatic")
    both = {
        "load": loaded(taste),
        "judge": judge,
        "both": node(
            "GANRMEnsemble", reward_1=["load", 0], reward_2=["judge", 0], weight_1=1.0, weight_2=0.2, name=""
        ),
        "images": images("64x64, 48x80", form="list"),
    }
    run = client.run({**both, "score": scored(reward=["both", 0], prompts=TEXT)}).expect_success()
    assert len(run.outputs["score"]["scores"]) == 2
    failed = client.run({**both, "score": scored(reward=["both", 0])})
    assert "PickScore v1 judges pictures by their prompt" in failed.error_message


def test_a_vision_language_judge_compares_gives_reasons_and_steers_a_sampler(
    client: Client, networks: Path, tiny_generator: Path
) -> None:
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


def test_cancel_stops_a_vision_language_judge_within_a_reason(client: Client, networks: Path) -> None:
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


def _put_laion(models: Path) -> None:
    """LAION's head on a small CLIP whose pictures and embeddings have the real one's size."""
    import transformers
    from safetensors.torch import save_file
    from unit_support.tiny_encoders import enlivened

    torch.manual_seed(2)
    config = transformers.CLIPVisionConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=1,
        image_size=224,
        patch_size=56,
        projection_dim=768,
    )
    network = enlivened(transformers.CLIPVisionModelWithProjection(config))
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, models / "clip_vision" / "laion_clip.safetensors")
    state: OrderedDict[str, torch.Tensor] = OrderedDict()
    for place, (into, out) in zip((0, 2, 4, 6, 7), pairwise((768, 1024, 128, 64, 16, 1)), strict=True):
        state[f"layers.{place}.weight"] = torch.randn(out, into) / into**0.5
        state[f"layers.{place}.bias"] = torch.zeros(out)
    torch.save(state, models / "ganrm_judges" / "sac+logos+ava1-l14-linearMSE.pth")
