"""ImageReward in tiny, with random weights, in its real file format."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

WIDTH, TEXT, PATCH, SIDE = 128, 64, 8, 32
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "fox", "two", "cats", "in", "the", "snow"]
HEAD = ((1024, TEXT), (128, 1024), (64, 128), (16, 64), (1, 16))


def write_image_reward(folder: Path, tensors: dict[str, Tensor] | None = None) -> Path:
    """ImageReward.pt with vocab.txt beside it; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(tensors or image_reward_tensors(), folder / "ImageReward.pt")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return folder / "ImageReward.pt"


def image_reward_tensors() -> dict[str, Tensor]:
    """Random tensors under the names of ImageReward.pt, smaller."""
    torch.manual_seed(9)
    shapes: dict[str, tuple[int, ...]] = {
        "visual_encoder.cls_token": (1, 1, WIDTH),
        "visual_encoder.pos_embed": (1, (SIDE // PATCH) ** 2 + 1, WIDTH),
        "visual_encoder.patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH),
        "visual_encoder.patch_embed.proj.bias": (WIDTH,),
        "text_encoder.embeddings.word_embeddings.weight": (len(WORDS) + 2, TEXT),
        "text_encoder.embeddings.position_embeddings.weight": (40, TEXT),
        **_norm("visual_encoder.norm", WIDTH),
        **_norm("text_encoder.embeddings.LayerNorm", TEXT),
        **_linear("vision_proj", 16, WIDTH),
        **_linear("text_proj", 16, TEXT),
    }
    for number in range(2):
        block, layer = f"visual_encoder.blocks.{number}", f"text_encoder.encoder.layer.{number}"
        shapes |= _norm(f"{block}.norm1", WIDTH) | _norm(f"{block}.norm2", WIDTH)
        shapes |= _linear(f"{block}.attn.qkv", 3 * WIDTH, WIDTH) | _linear(f"{block}.attn.proj", WIDTH, WIDTH)
        shapes |= _linear(f"{block}.mlp.fc1", 96, WIDTH) | _linear(f"{block}.mlp.fc2", WIDTH, 96)
        for kind, source in (("attention", TEXT), ("crossattention", WIDTH)):
            shapes |= _linear(f"{layer}.{kind}.self.query", TEXT, TEXT)
            shapes |= _linear(f"{layer}.{kind}.self.key", TEXT, source)
            shapes |= _linear(f"{layer}.{kind}.self.value", TEXT, source)
            shapes |= _linear(f"{layer}.{kind}.output.dense", TEXT, TEXT)
            shapes |= _norm(f"{layer}.{kind}.output.LayerNorm", TEXT)
        shapes |= _linear(f"{layer}.intermediate.dense", 96, TEXT) | _linear(
            f"{layer}.output.dense", TEXT, 96
        )
        shapes |= _norm(f"{layer}.output.LayerNorm", TEXT)
    found = {f"blip.{name}": torch.randn(shape) * 0.2 for name, shape in shapes.items()}
    found["blip.text_encoder.embeddings.position_ids"] = torch.arange(40).unsqueeze(0)
    for place, (out, into) in zip((0, 2, 4, 6, 7), HEAD, strict=True):
        found[f"mlp.layers.{place}.weight"] = torch.randn(out, into) / into**0.5
        found[f"mlp.layers.{place}.bias"] = torch.randn(out)
    return found


def _linear(name: str, out: int, into: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}
