"""ImageReward in tiny, in its real file format, against BLIP written out on tensors."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, gelu, layer_norm, linear, softmax
from unit_support.tiny_image_reward import PATCH, WORDS, image_reward_tensors, write_image_reward
from unit_support.tiny_judges import pictures

from ganrm_core.rewards.known.image_reward import MEAN, STD, load_image_reward
from ganrm_core.utils.errors import BackboneError

PROMPTS = ("A red Fox", "two cats in the snow " * 20)
PICTURES = pictures((40, 57), (64, 33))
HEADS, TEXT_HEADS = 2, 1
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    return image_reward_tensors()


@pytest.fixture
def folder(state: State, tmp_path: Path) -> Path:
    pytest.importorskip("transformers")
    write_image_reward(tmp_path, state)
    return tmp_path


def test_it_gives_the_score_of_the_formula(folder: Path, state: State) -> None:
    reward = load_image_reward(folder / "ImageReward.pt")
    expected = []
    for image, prompt in zip(PICTURES, PROMPTS, strict=True):
        seen = vision(state, reward.prepare(image.permute(2, 0, 1)))
        hidden = text(state, token_ids(prompt), seen)[:, 0]
        for place in (0, 2, 4, 6, 7):
            hidden = apply(state, f"mlp.layers.{place}", hidden)
        expected.append((hidden[0, 0] - MEAN) / STD)
    scores = reward.score(PICTURES, PROMPTS)
    assert torch.allclose(reward.scale.published(scores.logit), torch.stack(expected), atol=1e-4)
    assert torch.allclose(scores.logit, torch.stack(expected) * STD, atol=1e-4)
    assert torch.equal(reward.score(PICTURES[1:], PROMPTS[1:]).logit, scores.logit[1:])


def test_errors_say_what_is_missing(folder: Path, state: State, tmp_path: Path) -> None:
    torch.save({"layers.0.weight": torch.zeros(3, 3)}, folder / "other.pt")
    with pytest.raises(BackboneError, match=r"other\.pt.*is not ImageReward"):
        load_image_reward(folder / "other.pt")
    torch.save({n: t for n, t in state.items() if "norm1" not in n}, folder / "half.pt")
    with pytest.raises(BackboneError, match=r"half\.pt.*4 tensors are missing"):
        load_image_reward(folder / "half.pt")
    (folder / "vocab.txt").unlink()
    with pytest.raises(BackboneError, match="vocabulary of bert-base-uncased"):
        load_image_reward(folder / "ImageReward.pt")


def token_ids(prompt: str) -> list[int]:
    words = [WORDS.index(word) for word in prompt.lower().split()][:33]
    return [2, *words, 3]  # without padding, which the mask hides


def apply(state: State, name: str, inputs: Tensor) -> Tensor:
    return linear(inputs, state[f"{name}.weight"], state[f"{name}.bias"])


def norm(state: State, name: str, inputs: Tensor, eps: float) -> Tensor:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return layer_norm(inputs, weight.shape, weight, bias, eps)


def attention(queries: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """[1, N, D] each, by heads that lie side by side in D."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (queries, keys, values))
    weights = softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
    return (weights @ v).transpose(1, 2).flatten(2)


def vision(state: State, pixels: Tensor) -> Tensor:
    name = "blip.visual_encoder"
    proj = f"{name}.patch_embed.proj"
    patches = conv2d(pixels.unsqueeze(0), state[f"{proj}.weight"], state[f"{proj}.bias"], stride=PATCH)
    hidden = torch.cat([state[f"{name}.cls_token"], patches.flatten(2).transpose(1, 2)], dim=1)
    hidden = hidden + state[f"{name}.pos_embed"]
    for number in range(2):
        block = f"{name}.blocks.{number}"
        mixed = apply(state, f"{block}.attn.qkv", norm(state, f"{block}.norm1", hidden, 1e-6)).chunk(3, -1)
        hidden = hidden + apply(state, f"{block}.attn.proj", attention(*mixed, HEADS))
        inner = gelu(apply(state, f"{block}.mlp.fc1", norm(state, f"{block}.norm2", hidden, 1e-6)))
        hidden = hidden + apply(state, f"{block}.mlp.fc2", inner)
    return norm(state, f"{name}.norm", hidden, 1e-6)


def text(state: State, ids: list[int], seen: Tensor) -> Tensor:
    name = "blip.text_encoder"
    words = state[f"{name}.embeddings.word_embeddings.weight"][ids]
    positions = state[f"{name}.embeddings.position_embeddings.weight"][: len(ids)]
    hidden = norm(state, f"{name}.embeddings.LayerNorm", (words + positions).unsqueeze(0), 1e-12)
    for number in range(2):
        layer = f"{name}.encoder.layer.{number}"
        for kind, source in (("attention", None), ("crossattention", seen)):
            parts = [
                apply(
                    state,
                    f"{layer}.{kind}.self.{part}",
                    hidden if part == "query" or source is None else source,
                )
                for part in ("query", "key", "value")
            ]
            output = apply(state, f"{layer}.{kind}.output.dense", attention(*parts, TEXT_HEADS))
            hidden = norm(state, f"{layer}.{kind}.output.LayerNorm", hidden + output, 1e-12)
        inner = gelu(apply(state, f"{layer}.intermediate.dense", hidden))
        output = apply(state, f"{layer}.output.dense", inner)
        hidden = norm(state, f"{layer}.output.LayerNorm", hidden + output, 1e-12)
    return hidden
