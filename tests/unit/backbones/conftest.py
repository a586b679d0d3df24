"""Tiny encoders on disk, and a backbone of every family."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from unit_support.tiny_encoders import (
    AS_FILE,
    FAMILIES,
    OPEN_CLIP_CONFIG,
    OPEN_CLIP_TEXT,
    OPEN_CLIP_VISION,
    enlivened,
    random_model,
)

from ganrm_core.backbones.base import Backbone
from ganrm_core.backbones.registry import load_backbone

_TIMM = {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": "linear"}
OPEN_CLIP: dict[str, dict[str, Any]] = {
    "tiny-plain": {},
    "tiny-quick": {"quick_gelu": True},
    "tiny-average": {
        "vision_cfg": {
            **OPEN_CLIP_VISION, "no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True
        }
    },
    "tiny-coca": {
        "vision_cfg": {
            **OPEN_CLIP_VISION, "attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True
        },
        "multimodal_cfg": {**OPEN_CLIP_TEXT, "attn_pooler_heads": 4},
        "custom_text": True,
    },
    "tiny-timm": {"vision_cfg": _TIMM, "custom_text": True},
    "tiny-registers": {
        "vision_cfg": {**_TIMM, "timm_model_name": "test_vit2", "timm_pool": "avg"}, "custom_text": True
    },
    "tiny-convnext": {"vision_cfg": {**_TIMM, "timm_model_name": "test_convnext", "timm_pool": "avg"}},
    "tiny-resnet": {"vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}},
    "tiny-wide": {"vision_cfg": {**OPEN_CLIP_VISION, "image_size": [32, 64]}},
}  # fmt: skip
_LOADED = (
    "efficientnet_lite0",
    *(f"open_clip:{name}" for name in list(OPEN_CLIP)[:6]),
    *(f"transformers:{family}" for family in FAMILIES),
    *(f"file:{family}" for family in AS_FILE),
)

Saved = Callable[[str], Path]
Made = Callable[[str], tuple[Any, Path]]


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Family → the folder of a `transformers` model, which no test may change."""
    root = tmp_path_factory.mktemp("models")

    @cache
    def save(family: str) -> Path:
        random_model(family).save_pretrained(root / family)
        return root / family

    return save


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Name → an OpenCLIP model of `OPEN_CLIP`, and its weights in a file."""
    open_clip = pytest.importorskip("open_clip")
    folder = tmp_path_factory.mktemp("open_clip")
    for name, config in OPEN_CLIP.items():
        (folder / f"{name}.json").write_text(json.dumps({**OPEN_CLIP_CONFIG, **config}))
    open_clip.add_model_config(folder)

    @cache
    def make(name: str) -> tuple[Any, Path]:
        torch.manual_seed(7)
        model = enlivened(open_clip.create_model(name))
        save_file({key: t.clone() for key, t in model.state_dict().items()}, folder / f"{name}.safetensors")
        return model, folder / f"{name}.safetensors"

    yield make
    for name in OPEN_CLIP:
        open_clip.factory._MODEL_CONFIGS.pop(name)
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder)


@pytest.fixture(scope="module", params=_LOADED)
def loaded(request: pytest.FixtureRequest) -> tuple[Backbone, Path]:
    """A backbone of every family, loaded inside inference mode, and the folder its weights are below."""
    family, _, name = request.param.partition(":")
    path = Path()
    if family == "open_clip":
        path = request.getfixturevalue("made")(name)[1]
        name = f":{name}/{path}"
    elif family in ("transformers", "file"):
        pytest.importorskip("transformers")
        path = request.getfixturevalue("saved")(name) / ("model.safetensors" if family == "file" else "")
        name = f":{path}"
    with torch.inference_mode():
        return load_backbone(family + name), path.parent


@pytest.fixture(scope="session")
def pixels() -> Tensor:
    """Four pictures of the tiny encoders' size."""
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
