"""Compare Models and Export Groups in a real ComfyUI, on pictures of the tiny generator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from host_support.client import Client, PromptRefusedError
from host_support.pack_prompts import loaded, scored
from host_support.prompts import Json, echo, echoed, node, sampling, text_to_image
from host_support.server import Server
from host_support.tiny_generator import CHECKPOINT
from safetensors.torch import load_file, save_file

LORA = "compared.safetensors"
PROMPTS = "a red bird\nrain, (heavy:1.2)"
WIDGETS = {"seed": 50, "steps": 2, "cfg": 2.0, "sampler_name": "euler", "scheduler": "simple"}
OUTPUTS = ("sheet", "win_rate", "reward_change", "keep", "summary")


@pytest.fixture(scope="module")
def lora(server: Server, tiny_generator: Any) -> Iterator[str]:
    """A LoRA file of random values for the tiny generator, as core's Save LoRA writes them."""
    weights = load_file(str(server.folder("models", "checkpoints") / CHECKPOINT))
    random = torch.Generator().manual_seed(1)
    tensors = {}
    for name, weight in weights.items():
        if name.endswith("x_block.attn.qkv.weight"):
            layer = name.removeprefix("model.").removesuffix(".weight")
            tensors[f"{layer}.lora_up.weight"] = 0.2 * torch.randn(len(weight), 4, generator=random)
            tensors[f"{layer}.lora_down.weight"] = 0.2 * torch.randn(4, weight.shape[1], generator=random)
            tensors[f"{layer}.alpha"] = torch.tensor(4.0)
    path = server.folder("models", "loras") / LORA
    path.parent.mkdir(exist_ok=True)
    save_file(tensors, str(path))
    yield LORA
    path.unlink()


def base(taste: str, prompts: str = PROMPTS) -> Json:
    """Nodes "model", "vae", "empty", "prompts" and "load"."""
    core = text_to_image()
    widgets = {"file": "none", "negative": "", "choices": "all combinations", "seed": 0, "most": 200}
    return {
        **{name: core[name] for name in ("model", "vae", "empty")},
        "prompts": node("GANRMPrompts", clip=["model", 1], text=prompts, **widgets),
        "load": loaded(taste),
    }


def comparison(taste: str, lora: str, **inputs: Any) -> Json:
    given = {"before": ["model", 0], "after": ["lora", 0], "prompts": ["prompts", 0], "vae": ["vae", 0]}
    given |= {"reward": ["load", 0], "latent_image": ["empty", 0], "pictures": 3, **WIDGETS}
    return {
        **base(taste),
        "lora": node("LoraLoaderModelOnly", model=["model", 0], lora_name=lora, strength_model=1.0),
        "compare": node("GANRMCompareModels", **{**given, **inputs}),
        "echo": echo("compare", *(["compare", place] for place in range(len(OUTPUTS)))),
    }


def export(taste: str, **inputs: Any) -> Json:
    parts = {"model": ["model", 0], "prompts": ["prompts", 0], "vae": ["vae", 0], "reward": ["load", 0]}
    made = {**parts, "latent_image": ["empty", 0], **WIDGETS, "pictures": 4, "count": 2}
    given = {"layout": "OneTrainer", "what": "pairs", "keep": 1, "repeats": 10, "folder": "exported"}
    return {
        **base(taste),
        "groups": node("GANRMMakeGroups", **made),
        "export": node("GANRMExportGroups", groups=["groups", 0], vae=["vae", 0], **{**given, **inputs}),
    }


def test_a_lora_is_compared(client: Client, taste: str, lora: str) -> None:
    run = client.run(comparison(taste, lora, judge=["load", 0])).expect_success()
    shown = run.outputs["compare"]
    assert shown["pairs"] == [6]
    assert shown["seeds"] == list(range(50, 56))
    assert shown["reward_change"] == shown["judge_change"]
    assert shown["scores_before"] != shown["scores_after"]
    assert 0 < shown["diversity"][0] < 3
    assert "efficientnet_lite0" in shown["summary"][0]
    assert client.image(**shown["images"][0]).width > 1000
    assert run.previews_of("compare")
    values = {name: echoed(client, "compare", place)[0] for place, name in enumerate(OUTPUTS)}
    assert values["win_rate"] == shown["win_rate"][0]
    assert values["keep"] is shown["keep"][0]
    assert values["summary"] == shown["summary"][0]

    # What it scored is what KSampler makes of those seeds with those models.
    core = text_to_image("a red bird")
    negative = node("CLIPTextEncode", text="", clip=["model", 1])
    for side in ("before", "after"):
        model = ["model" if side == "before" else "lora", 0]
        alone = {
            **comparison(taste, lora),
            "text": core["text"],
            "negative": negative,
            "images": core["decode"],
        }
        alone["sampler"] = node(
            "KSampler", **sampling(**{**WIDGETS, "seed": 51, "model": model}), negative=["negative", 0]
        )
        alone["score"] = scored()
        scores = client.run({name: each for name, each in alone.items() if name not in ("compare", "echo")})
        assert scores.expect_success().outputs["score"]["scores"][0] == pytest.approx(
            shown[f"scores_{side}"][1], abs=1e-3
        )


def test_a_lora_that_is_not_loaded_is_told(client: Client, taste: str, lora: str) -> None:
    prompt = comparison(taste, lora)
    prompt["lora"]["inputs"]["strength_model"] = 0.0
    assert "very same pictures" in client.run(prompt).error_message


def test_cancel_stops_a_comparison_at_once(client: Client, taste: str, lora: str) -> None:
    run = client.start(comparison(taste, lora, steps=2000, seed=900))
    run.wait_for("progress")
    client.interrupt()
    assert run.wait(timeout=60).interrupted


def test_groups_are_exported(client: Client, server: Server, taste: str) -> None:
    shown = client.run(export(taste)).expect_success().outputs["export"]
    home = server.folder("output") / "exported"
    found = sorted(path.relative_to(home).as_posix() for path in home.rglob("*.*"))
    assert found == sorted(
        f"{kind}/{number:04}.{suffix}"
        for kind in ("chosen", "rejected")
        for number in (1, 2)
        for suffix in ("png", "txt")
    )
    assert {Path(path) for path in shown["files"]} == {home / name for name in found}
    assert (home / "chosen" / "0002.txt").read_text() == "rain, heavy\n"
    assert shown["count"] == [2]

    again = client.run(
        export(taste, keep=2, folder="exported", layout="diffusers", what="best")
    ).expect_success()
    other = server.folder("output") / "exported (2)"
    assert again.outputs["export"]["folder"] == [str(other)]
    rows = [json.loads(line) for line in (other / "metadata.jsonl").read_text().splitlines()]
    assert {row["text"] for row in rows} == {"a red bird", "rain, heavy"}


def test_an_export_never_leaves_its_folder(client: Client, server: Server, taste: str) -> None:
    with pytest.raises(PromptRefusedError, match="leads out of its folder"):
        client.run(export(taste, folder="../evil"))
    assert not (server.folder("output").parent / "evil").exists()
