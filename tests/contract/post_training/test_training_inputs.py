"""What the training nodes share: the experimental mark, names of attention layers, fingerprints of rewards."""

from __future__ import annotations

import importlib
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest
from contract_support.rewards import Bright


@pytest.fixture
def module(pack: Any) -> Any:
    return lambda name: importlib.import_module(f"{pack.package}.{name}")


def test_nodes_are_marked_where_the_host_knows_the_word(module: Any) -> None:
    sockets = module("nodes.sockets")
    known = "is_experimental" in {field.name for field in fields(sockets.io.Schema)}
    assert set(sockets.EXPERIMENTAL) == ({"is_experimental"} if known else set())
    sockets.Schema(node_id="Probe", **sockets.EXPERIMENTAL)


@pytest.mark.parametrize(
    "name",
    [
        "input_blocks.1.1.transformer_blocks.0.attn1.to_q",  # SD1.5, SDXL
        "input_blocks.1.1.transformer_blocks.0.attn2.to_out.0",
        "joint_blocks.0.x_block.attn.qkv",  # SD3
        "joint_blocks.0.x_block.attn2.proj",
        "double_blocks.3.img_attn.qkv",  # Flux, Chroma, HunyuanVideo
        "double_blocks.3.txt_attn.proj",
        "single_blocks.3.linear1",
        "single_blocks.3.linear2",
        "layers.3.attention.qkv",  # Lumina 2, Z-Image
        "context_refiner.0.attention.out",
        "transformer_blocks.0.attn.add_q_proj",  # Qwen-Image
        "transformer_blocks.0.attn.to_add_out",
        "blocks.0.cross_attn.kv_linear",  # PixArt
        "blocks.0.attn1.Wqkv",  # HunyuanDiT
        "double_layers.0.attn.w1q",  # AuraFlow
        "double_stream_blocks.0.block.attn1.to_k_t",  # HiDream
        "blocks.0.self_attn.output_proj",  # Cosmos Predict 2
        "blocks.0.self_attn.o",  # Wan
        "down_blocks.0.2.attention.attn.to_v",  # Stable Cascade
    ],
)
def test_attention_is_known_by_its_names(module: Any, name: str) -> None:
    assert module("nodes.host.training.layer_choice").is_attention(f"diffusion_model.{name}")


@pytest.mark.parametrize(
    "name",
    [
        "input_blocks.1.1.transformer_blocks.0.ff.net.0.proj",
        "input_blocks.1.1.proj_in",
        "input_blocks.1.0.emb_layers.1",
        "middle_block.0.in_layers.2",
        "time_embed.0",
        "label_emb.0.0",
        "joint_blocks.0.x_block.adaLN_modulation.1",
        "joint_blocks.0.x_block.mlp.fc1",
        "double_blocks.0.img_mlp.0",
        "double_blocks.0.img_mod.lin",
        "single_blocks.0.modulation.lin",
        "blocks.0.adaln_modulation_self_attn.1",
        "x_embedder.proj",
        "final_layer.linear",
        "vector_in.in_layer",
        "cap_embedder.1",
    ],
)
def test_other_layers_are_not_taken_for_attention(module: Any, name: str) -> None:
    assert not module("nodes.host.training.layer_choice").is_attention(f"diffusion_model.{name}")


def test_fingerprints_of_rewards(module: Any, pack: Any) -> None:
    of = module("nodes.host.training.fingerprints").reward_fingerprint
    managed = module("nodes.host.model_management").ManagedReward
    combined = module("ganrm_core.rewards.combined").CombinedReward

    standard = module("ganrm_core.rewards.standardisation").Standard

    def taste(content: bytes) -> Any:
        return managed(SimpleNamespace(to_bytes=lambda: content), SimpleNamespace())

    def together(*parts: tuple[Any, float], scale: tuple[float, float] = (0.0, 1.0)) -> Any:
        made = combined.__new__(combined)
        made.rewards, made.shares = zip(*parts, strict=True)
        made.standards, made.offset = (standard(*scale),) * len(parts), 0.0
        return made

    one, other, unknown = taste(b"one"), taste(b"other"), Bright(pack)
    assert of(one) == of(taste(b"one")) != of(other)
    assert len({of(together((one, first), (other, 1 - first))) for first in (0.2, 0.7)}) == 2
    assert of(together((one, 0.5), (other, 0.5))) == of(together((taste(b"one"), 0.5), (other, 0.5)))
    halves = ((one, 0.5), (other, 0.5))
    assert of(together(*halves)) != of(together(*halves, scale=(0.0, 2.0)))
    assert of(unknown) == of(together((one, 0.5), (unknown, 0.5))) == ""


def test_loras_to_go_on_from_are_those_of_the_folder_alone(module: Any, folders: Any) -> None:
    files = module("nodes.host.model_files")
    (folders.models / "loras" / "mine").mkdir()
    path = folders.models / "loras" / "mine" / "warm.safetensors"
    path.write_bytes(b"1234")
    assert files.lora_files() == ["mine/warm.safetensors"]
    assert files.lora_path("mine/warm.safetensors") == path
    assert files.lora_fingerprint("mine/warm.safetensors").startswith("4 ")
    for name in ("../warm.safetensors", str(path), "absent.safetensors"):
        with pytest.raises(module("ganrm_core.utils.errors").DataError, match="not on this machine"):
            files.lora_path(name)
        assert files.lora_fingerprint(name) == "missing"
