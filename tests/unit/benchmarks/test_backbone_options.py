"""Options of the benchmarks: which blocks a transformer is read after, and how it looks twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from backbone_options import SizedLook, readout_of
from vit_small import CONFIG, named_weights

from ganrm_core.backbones.base import BackboneSpec, Tap
from ganrm_core.rewards.discriminator.readout import default_readout


def spec(family: str, *taps: str) -> BackboneSpec:
    read = tuple(Tap(name, 4) for name in taps)
    return BackboneSpec(
        family, "tiny", "0", 28, (0, 0, 0), (1, 1, 1), (*read, Tap("embedding", 4, True)), "embedding"
    )


VIT = spec("transformers", "block1", "block2")
LITE = spec("efficientnet", *(f"stage{place}" for place in range(1, 8)))


def test_without_options_the_readout_is_the_library_s() -> None:
    for each in (VIT, LITE):
        assert readout_of(each, None) == default_readout(each)
        assert readout_of(each, "none").second_look is None
    assert readout_of(LITE, "blurred") == default_readout(LITE, "blurred")


def test_a_transformer_looks_twice_where_that_is_asked_for() -> None:
    look = readout_of(VIT, "blurred").second_look
    assert look is not None
    assert (look.kind, look.taps) == ("blurred", ("block1", "block2"))
    sized = readout_of(VIT, None, side=14).second_look
    assert isinstance(sized, SizedLook)
    assert sized.changed(torch.rand(2, 3, 28, 28)).shape == (2, 3, 14, 14)
    with pytest.raises(SystemExit, match="--second-side"):
        readout_of(VIT, "blurred", side=14)


def test_weights_of_a_graph_are_known_by_their_biases() -> None:
    width, places = CONFIG["hidden_size"], (CONFIG["image_size"] // CONFIG["patch_size"]) ** 2
    random = np.random.default_rng(0)
    key, query = (random.random((3, 2), dtype=np.float32) for _ in range(2))
    arrays: dict[str, Any] = {
        "backbone.key.bias": np.zeros(2, np.float32),
        "backbone.query.bias": np.ones(2, np.float32),
        "onnx::MatMul_1": key,
        "onnx::MatMul_2": query,
        "onnx::Concat_3": np.full((1, 1, width), 5, np.float32),
        "onnx::Reshape_4": np.zeros((1, places, width), np.float32),
        "decoder.bias": np.zeros(1, np.float32),
    }
    steps = [
        ("MatMul", ("x", "onnx::MatMul_1"), ("k",)),
        ("MatMul", ("x", "onnx::MatMul_2"), ("q",)),
        ("MatMul", ("q", "k"), ("scores",)),
        ("Add", ("backbone.key.bias", "k"), ("k2",)),
        ("Add", ("q", "backbone.query.bias"), ("q2",)),
    ]
    found = named_weights(arrays, steps)
    expected = {"key.bias", "query.bias", "key.weight", "query.weight", "embeddings.position_embeddings"}
    assert set(found) == expected
    assert torch.equal(found["key.weight"], torch.from_numpy(key).T)
    assert torch.equal(found["query.weight"], torch.from_numpy(query).T)
    positions = found["embeddings.position_embeddings"]
    assert positions.shape == (1, 1 + places, width)
    assert float(positions[0, 0, 0]) == 5
