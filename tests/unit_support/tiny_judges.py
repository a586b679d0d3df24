"""Tiny CLIP and SigLIP models with random weights, tokenizer and preprocessing, in their real file formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unit_support.tiny_encoders import enlivened

PROMPTS = ("A red Fox, in the snow!", "two cats")
SIDE = 32
_SHAPE = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 1}
_VISION = {**_SHAPE, "image_size": SIDE, "patch_size": 8}
_WORDS = ["a", "red", "fox", "in", "the", "snow", "two", "cats", ",", "!"]
OPEN_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": SIDE, "layers": 2, "width": 64, "head_width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def pictures(*sizes: tuple[int, int], seed: int = 1) -> list[Tensor]:
    """8-bit pictures [H, W, 3] in 0–1 of the given heights and widths."""
    random = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (h, w, 3), generator=random).float() / 255 for h, w in sizes]


def write_clip(folder: Path) -> Any:
    """A CLIP folder as on the hub; returns the model."""
    import transformers

    torch.manual_seed(3)
    text = {**_SHAPE, "max_position_embeddings": 77, "vocab_size": 300, "eos_token_id": 1, "bos_token_id": 0}
    config = transformers.CLIPConfig(vision_config=_VISION, text_config=text, projection_dim=24)
    model = enlivened(transformers.CLIPModel(config))
    model.save_pretrained(folder)
    vocabulary = ["<|startoftext|>", "<|endoftext|>"]
    letters = sorted({letter for word in _WORDS for letter in word})
    vocabulary += [*letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    _write(folder, "tokenizer_config.json", tokenizer_class="CLIPTokenizer", model_max_length=77)
    square = {"height": SIDE, "width": SIDE}
    _write(
        folder,
        "preprocessor_config.json",
        image_processor_type="CLIPImageProcessor",
        size={"shortest_edge": SIDE},
        crop_size=square,
        image_mean=[0.48145466, 0.4578275, 0.40821073],
        image_std=[0.26862954, 0.26130258, 0.27577711],
    )
    return model


def write_siglip(folder: Path) -> Any:
    """A SigLIP folder as on the hub, with a sentencepiece vocabulary; returns the model."""
    import sentencepiece
    import transformers

    torch.manual_seed(4)
    text = {**_SHAPE, "max_position_embeddings": 16, "vocab_size": 40, "projection_size": 64}
    model = enlivened(
        transformers.SiglipModel(transformers.SiglipConfig(vision_config=_VISION, text_config=text))
    )
    with torch.no_grad():
        model.logit_scale.fill_(4.7)
        model.logit_bias.fill_(-12.0)
    model.save_pretrained(folder)
    _train(sentencepiece, folder)
    _write(folder, "tokenizer_config.json", tokenizer_class="SiglipTokenizer", model_max_length=16)
    _write(
        folder,
        "preprocessor_config.json",
        image_processor_type="SiglipImageProcessor",
        size={"height": SIDE, "width": SIDE},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        resample=2,
    )
    return model


def _train(sentencepiece: Any, folder: Path) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*_WORDS, " ".join(_WORDS)]),
        model_prefix=str(folder / "spiece"),
        vocab_size=30,
        hard_vocab_limit=False,
        unk_id=2,
        eos_id=1,
        bos_id=-1,
        pad_id=0,
        minloglevel=2,
    )


def register_open_clip(folder: Path, name: str = "tiny-judge") -> str:
    """Make OpenCLIP know a tiny architecture with CLIP's real vocabulary; returns its name."""
    import open_clip

    _write(folder, f"{name}.json", **OPEN_CLIP)
    open_clip.add_model_config(folder / f"{name}.json")
    return name


def _write(folder: Path, name: str, **content: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


def write_open_clip(folder: Path, path: Path, name: str = "tiny-judge") -> Any:
    """A checkpoint of `register_open_clip`'s architecture as trainers save it; returns the model."""
    import open_clip

    register_open_clip(folder, name)
    torch.manual_seed(5)
    model = enlivened(open_clip.create_model(name, pretrained=None))
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, path)
    return model
