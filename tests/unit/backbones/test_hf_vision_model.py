"""Encoders of `transformers`, from a folder and from a single file, against the library's own forward pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from unit_support.tiny_encoders import AS_FILE, FAMILIES, reference

from ganrm_core.backbones.registry import load_backbone

pytest.importorskip("transformers")

PREFIX = {"siglip": 0, "siglip-vision": 0, "dinov2-registers": 4, "dinov3": 4, "dinov3-gated": 4}
"""Others have a class token alone."""
MEANS = {"clip": 0.48145466, "siglip": 0.5, "dinov2": 0.485, "dinov3": 0.485, "vit": 0.485}


@pytest.mark.parametrize(
    ("family", "source"),
    [*((family, "transformers") for family in FAMILIES), *((family, "file") for family in AS_FILE)],
)
def test_features_equal_the_library(
    family: str, source: str, saved: Callable[[str], Path], pixels: Tensor
) -> None:
    folder = saved(family)
    path = folder if source == "transformers" else folder / "model.safetensors"
    backbone = load_backbone(f"{source}:{path}")
    with torch.no_grad():
        features = dict(zip((tap.name for tap in backbone.spec.taps), backbone.features(pixels), strict=True))
        hidden_states, embedding = reference(family, pixels)
    prefix = PREFIX.get(family, 1)
    for depth in (1, 2, 4, 5):
        expected = hidden_states[depth]
        torch.testing.assert_close(features[f"block{depth}"], expected[:, prefix:], atol=1e-5, rtol=0)
        assert (f"block{depth}.cls" in features) == (prefix > 0)
        if prefix:
            torch.testing.assert_close(features[f"block{depth}.cls"], expected[:, :1], atol=1e-5, rtol=0)
    torch.testing.assert_close(features["embedding"], embedding.unsqueeze(1), atol=1e-5, rtol=0)
    assert backbone.spec.name == f"{source}:{path.name}"
    assert backbone.spec.mean[0] == MEANS[family.partition("-")[0]], "without a file that says otherwise"
    # The tensors of DINOv3 do not tell a size, since its positions are computed.
    assert backbone.spec.input_size == (224 if family.startswith("dinov3") and source == "file" else 32)
