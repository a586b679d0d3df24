"""Rewards of every kind on a server: small networks in its models folders, and the nodes that load them."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from contract_support.tiny_networks import put_clip_halves, put_pickscore
from safetensors.torch import save_file
from unit_support.tiny_chat_models import write_qwen2_vl
from unit_support.tiny_encoders import enlivened
from unit_support.tiny_image_reward import write_image_reward

from host_support.pack_prompts import loaded
from host_support.prompts import Json, node

HALF, OTHER_HALF = "clip_vision/vision.safetensors", "text_encoders/clip_l.safetensors"
_LAION, _V2_5 = "laion_clip.safetensors", "v2_5_siglip.safetensors"
_VISION = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 1}


def put_networks(models: Path) -> None:
    """The networks that `rewards` loads. HPS v2.1 is not among them: it is of one size, that of ViT-H."""
    put_pickscore(models)
    put_clip_halves(models)
    write_image_reward(models / "ganrm_judges")
    write_qwen2_vl(models / "ganrm_judges" / "Tiny-VL")
    _put_laion(models)
    _put_v2_5(models)


def rewards(taste: str) -> dict[str, Json]:
    """Nodes of which "judge" is the reward, by its kind."""
    fit = {"formula": "similarity", "architecture": ""}
    found = {
        "taste": {"judge": loaded(taste)},
        "prompt fit, two files": {
            "judge": node("GANRMPromptFit", model=HALF, text_encoder=OTHER_HALF, **fit),
        },
        "prompt fit, folder": {
            "judge": node(
                "GANRMPromptFit", model="ganrm_judges/PickScore_v1", text_encoder="automatic", **fit
            ),
        },
        "PickScore": {"judge": judge("PickScore v1")},
        "ImageReward": {"judge": judge("ImageReward")},
        "LAION": {"judge": judge("LAION aesthetic v2", backbone=f"clip_vision/{_LAION}")},
        "vision-language": {"judge": vision_language()},
        "v2.5": {"judge": judge("Aesthetic predictor v2.5", backbone=f"clip_vision/{_V2_5}")},
    }
    parts = {"first": loaded(taste), "second": judge("PickScore v1")}
    return {**found, "combined": {**parts, "judge": combined("first", "second")}}


def judge(name: str, **inputs: Any) -> Json:
    return node("GANRMKnownReward", judge=name, **{"file": "automatic", "backbone": "automatic", **inputs})


def vision_language(**inputs: Any) -> Json:
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


def combined(first: str, second: str, **inputs: Any) -> Json:
    """Two rewards by the keys of their nodes."""
    links = {"reward_1": [first, 0], "reward_2": [second, 0]}
    return node("GANRMEnsemble", **{**links, "weight_1": 1.0, "weight_2": 0.5, "name": "", **inputs})


def _put_laion(models: Path) -> None:
    """LAION's head on a small CLIP whose pictures and embeddings have the real one's size."""
    import transformers

    torch.manual_seed(2)
    config = transformers.CLIPVisionConfig(**_VISION, image_size=224, patch_size=56, projection_dim=768)
    network = enlivened(transformers.CLIPVisionModelWithProjection(config))
    _put_predictor(
        models, network, _LAION, "sac+logos+ava1-l14-linearMSE.pth", "layers.", 768, (0, 2, 4, 6, 7)
    )


def _put_v2_5(models: Path) -> None:
    """The head of v2.5 on a shallow SigLIP of the real one's width."""
    import transformers

    torch.manual_seed(3)
    shape = {**_VISION, "hidden_size": 1152, "num_hidden_layers": 1, "num_attention_heads": 18}
    network = enlivened(
        transformers.SiglipVisionModel(
            transformers.SiglipVisionConfig(**shape, image_size=384, patch_size=96)
        )
    )
    _put_predictor(
        models, network, _V2_5, "aesthetic_predictor_v2_5.pth", "scoring_head.", 1152, (0, 2, 4, 6, 8)
    )


def _put_predictor(
    models: Path, network: Any, encoder: str, head: str, prefix: str, width: int, places: tuple[int, ...]
) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, models / "clip_vision" / encoder)
    state: OrderedDict[str, torch.Tensor] = OrderedDict()
    for place, (into, out) in zip(places, pairwise((width, 1024, 128, 64, 16, 1)), strict=True):
        state[f"{prefix}{place}.weight"] = torch.randn(out, into) / into**0.5
        state[f"{prefix}{place}.bias"] = torch.zeros(out)
    torch.save(state, models / "ganrm_judges" / head)
