"""ImageReward v1: BLIP's text encoder looks at the picture by cross-attention; a linear head scores its first token.

score = (L5(L4(L3(L2(L1(h[CLS]))))) − 0.16717) / 1.03334, about −2 to 2 (Xu et al. 2023, arXiv 2304.05977;
THUDM/ImageReward). Apache-2.0; BLIP: BSD-3-Clause; the vocabulary of bert-base-uncased: Apache-2.0. 1.8 GB.

The weights are read into BLIP of `transformers`: the same computation as the authors' own copy of BLIP, whose layer
normalisation has an epsilon of 1e-6 in the vision part and 1e-12 in the text part.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...backbones.hf_vision_model import import_transformers, quiet_transformers
from ...utils.error_text import reason
from ...utils.errors import BackboneError
from ...utils.files import shown
from ...utils.optional_imports import name_the_user
from ...utils.safetensors_io import readable_path
from ..local_weights import NoInitialisation, load_exactly, not_fitting, tensors_of
from ..network_reward import Identity, NetworkReward, PublishedScale
from ..picture_transform import PictureTransform

MEAN, STD = 0.16717362830052426, 1.0333394966054072
SCALE = PublishedScale(0.0, 1 / STD)
"""Undoes the division by STD: then differences are log-odds of the preference, as in the training loss. Score 0 is the
mean over its training data."""
_LONGEST = 35
_HEAD_WIDTH = 64
_VOCABULARY = "vocab.txt"
_ACTIVATIONS_PER_INPUT = 60

_VISION = (
    (r"^cls_token$", "embeddings.class_embedding"),
    (r"^pos_embed$", "embeddings.position_embedding"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embedding."),
    (r"^norm\.", "post_layernorm."),
    (r"^blocks\.", "encoder.layers."),
    (r"\.norm([12])\.", r".layer_norm\1."),
    (r"\.attn\.proj\.", ".self_attn.projection."),
    (r"\.attn\.", ".self_attn."),
)
"""Names of the vision tower's tensors: timm's pattern → that of `transformers`, applied one after the other."""


class ImageReward(NetworkReward):
    """Follows the `Reward` protocol; see the module for formula and sources."""

    needs_prompt = True

    def __init__(self, network: ImageRewardNetwork, tokenizer: Any, files: tuple[Path, ...]) -> None:
        super().__init__(network, Identity("ImageReward", "image_reward_v1", files), SCALE)
        self._network = network
        self._tokenizer = tokenizer
        self._transform = PictureTransform(network.vision.config.image_size, fit="crop, rounded")

    @property
    def bytes_per_picture(self) -> int:
        return 3 * self._transform.size**2 * 4 * _ACTIVATIONS_PER_INPUT

    def prepare(self, image: Tensor) -> Tensor:
        return self._transform(image)

    def read_prompt(self, prompt: str) -> Tensor:
        read = self._tokenizer(
            [prompt], padding="max_length", truncation=True, max_length=_LONGEST, return_tensors="pt"
        )
        return torch.stack([read["input_ids"], read["attention_mask"]], dim=1)

    def published(self, pixels: Tensor, prompt: Tensor | None) -> Tensor:
        assert prompt is not None
        raw: Tensor = self._network(pixels, prompt[:, 0], prompt[:, 1])
        return (raw - MEAN) / STD


class ImageRewardNetwork(nn.Module):
    """Pictures [B, 3, S, S], token ids [B, L] and their mask → raw rewards [B]."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        transformers = import_transformers()
        self.vision: Any = transformers.BlipVisionModel(_vision_config(transformers, tensors))
        self.text: Any = transformers.BlipTextModel(
            _text_config(transformers, tensors), add_pooling_layer=False
        )
        width = self.text.config.hidden_size
        # Identities in place of dropout, so that the layers have the numbers of the published file.
        self.mlp = nn.Module()
        self.mlp.layers = nn.Sequential(
            *(nn.Linear(width, 1024), nn.Identity(), nn.Linear(1024, 128), nn.Identity()),
            *(nn.Linear(128, 64), nn.Identity(), nn.Linear(64, 16), nn.Linear(16, 1)),
        )

    def forward(self, pixels: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        seen = self.vision(pixel_values=pixels).last_hidden_state
        read = self.text(
            input_ids=tokens,
            attention_mask=mask,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long, device=seen.device),
        )
        score: Tensor = self.mlp.get_submodule("layers")(read.last_hidden_state[:, 0]).squeeze(-1)
        return score


def load_image_reward(path: Path, vocabulary: Path | None = None) -> ImageReward:
    """Load ImageReward.pt; `vocabulary` is the vocab.txt of bert-base-uncased, by default the one beside it.

    Raises BackboneError.
    """
    name_the_user()
    tokenizer = _tokenizer(vocabulary or path.parent / _VOCABULARY)
    with torch.inference_mode(False), torch.no_grad():
        tensors = _renamed(tensors_of(path))
        try:
            with NoInitialisation():
                network = ImageRewardNetwork(tensors)
        except (KeyError, IndexError, ValueError) as error:
            raise not_fitting(path, "ImageReward", [reason(error)]) from error
        load_exactly(network, tensors, path, "ImageReward")
    return ImageReward(network, tokenizer, (path,))


def _renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The file's tensors in the naming of `ImageRewardNetwork`, without BLIP's unused contrastive projections."""
    found = {}
    for name, tensor in tensors.items():
        if name.startswith("blip.visual_encoder."):
            inner = name.removeprefix("blip.visual_encoder.")
            for pattern, replacement in _VISION:
                inner = re.sub(pattern, replacement, inner)
            found[f"vision.{inner}"] = tensor
        elif name.startswith("blip.text_encoder."):
            found[f"text.{name.removeprefix('blip.text_encoder.')}"] = tensor
        elif not name.startswith(("blip.vision_proj.", "blip.text_proj.")):
            found[name] = tensor
    return found


def _vision_config(transformers: Any, tensors: dict[str, Tensor]) -> Any:
    patches = tensors["vision.embeddings.patch_embedding.weight"]
    width, patch = patches.shape[0], patches.shape[-1]
    side = round((tensors["vision.embeddings.position_embedding"].shape[1] - 1) ** 0.5)
    return transformers.BlipVisionConfig(
        hidden_size=width,
        intermediate_size=tensors["vision.encoder.layers.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=_depth(tensors, "vision.encoder.layers."),
        num_attention_heads=width // _HEAD_WIDTH,
        image_size=side * patch,
        patch_size=patch,
        hidden_act="gelu",
        layer_norm_eps=1e-6,
    )


def _text_config(transformers: Any, tensors: dict[str, Tensor]) -> Any:
    words = tensors["text.embeddings.word_embeddings.weight"]
    return transformers.BlipTextConfig(
        vocab_size=words.shape[0],
        hidden_size=words.shape[1],
        encoder_hidden_size=tensors["text.encoder.layer.0.crossattention.self.key.weight"].shape[1],
        intermediate_size=tensors["text.encoder.layer.0.intermediate.dense.weight"].shape[0],
        num_hidden_layers=_depth(tensors, "text.encoder.layer."),
        num_attention_heads=words.shape[1] // _HEAD_WIDTH,
        max_position_embeddings=tensors["text.embeddings.position_embeddings.weight"].shape[0],
        hidden_act="gelu",
        layer_norm_eps=1e-12,
        is_decoder=True,  # gives the layers their cross-attention; the mask stays bidirectional
    )


def _depth(tensors: dict[str, Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).partition(".")[0] for name in tensors if name.startswith(prefix)})


def _tokenizer(vocabulary: Path) -> Any:
    if not vocabulary.is_file():
        raise BackboneError(
            f"ImageReward needs the vocabulary of bert-base-uncased: put its {_VOCABULARY} at {shown(vocabulary)}."
        )
    transformers = import_transformers()
    try:
        with quiet_transformers(), readable_path(vocabulary.parent) as folder:
            tokenizer = transformers.BertTokenizer.from_pretrained(
                folder, local_files_only=True, do_lower_case=True
            )
        tokenizer.add_special_tokens({"bos_token": "[DEC]", "additional_special_tokens": ["[ENC]"]})
    except Exception as error:
        raise BackboneError(
            f"{shown(vocabulary)} cannot be read as the vocabulary of bert-base-uncased ({reason(error)}). Download it again."
        ) from error
    return tokenizer
