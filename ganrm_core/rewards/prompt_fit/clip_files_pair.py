"""CLIP in two files as ComfyUI keeps them: its vision part in models/clip_vision, its text part in models/text_encoders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from ...backbones.clip_vision_file import load as load_vision
from ...backbones.hf_vision_model import import_transformers
from ...backbones.open_clip_registry import import_open_clip
from ...utils.errors import BackboneError
from ...utils.files import shown
from ...utils.safetensors_shapes import shapes_of
from ..local_weights import from_tensors, tensors_of
from ..picture_transform import PictureTransform
from .image_text_pair import ImageTextPair

_PROJECTION = "text_projection.weight"
_TOKENS = "text_model.embeddings.token_embedding.weight"
_HEAD_WIDTH = 64
_WIDEST_QUICK_GELU = 768  # as in ComfyUI: OpenAI's B and L use QuickGELU; H and bigG come from OpenCLIP
_END_OF_TEXT = 49407


class ClipFilesPair(ImageTextPair):
    """Both files must hold the projection into the common space, and be of one model: only their widths are checked."""

    def __init__(self, vision: Path, text: Path) -> None:
        super().__init__()
        self.vision = load_vision(str(vision), ())
        spec = self.vision.spec
        width = getattr(self.vision.net, "visual_projection", None)
        if width is None:
            raise BackboneError(
                f"{shown(vision)} lacks CLIP's projection (visual_projection.weight), without which pictures cannot be "
                "compared with text. Use a whole CLIP vision model, such as clip-vit-large-patch14."
            )
        self.text: Any = _text_encoder(text)
        widths = (width.out_features, self.text.text_projection.out_features)
        if widths[0] != widths[1]:
            raise BackboneError(
                f"{shown(vision)} and {shown(text)} are of two models: their embeddings are {widths[0]} and {widths[1]} "
                "wide. Choose the vision and the text part of one CLIP, such as clip-vit-large-patch14 and clip_l."
            )
        self.files = (vision, text)
        self.transform = PictureTransform(spec.input_size, spec.mean, spec.std, "crop, rounded")
        self.tokens = import_open_clip().SimpleTokenizer()

    def encode_image(self, pixels: Tensor) -> Tensor:
        return self.vision.embedding(pixels)

    def encode_text(self, tokens: Tensor) -> Tensor:
        embedding: Tensor = self.text(input_ids=tokens).text_embeds
        return embedding


def fitting_text_encoders(vision: Path, texts: Iterable[Path]) -> list[Path]:
    """Those of `texts` that are CLIP text encoders with a projection as wide as that of the vision file."""
    found = shapes_of(vision).get("visual_projection.weight")
    if found is None:
        return []
    fitting = []
    for path in texts:
        shapes = {name.removeprefix("transformer."): shape for name, shape in shapes_of(path).items()}
        if _TOKENS in shapes and shapes.get(_PROJECTION, (0,))[0] == found[0]:
            fitting.append(path)
    return fitting


def _text_encoder(path: Path) -> Any:
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in tensors_of(path).items()}
    if _TOKENS not in tensors:
        raise BackboneError(f"{shown(path)} is no CLIP text encoder. Choose one, such as clip_l or clip_g.")
    if _PROJECTION not in tensors:
        raise BackboneError(
            f"{shown(path)} lacks CLIP's projection ({_PROJECTION}), without which text cannot be compared with pictures. "
            "Use a text encoder that has it, such as the clip_l.safetensors of Stable Diffusion 3 or Flux."
        )
    tensors = {n: t.float() for n, t in tensors.items() if n == _PROJECTION or n.startswith("text_model.")}
    width = tensors[_TOKENS].shape[1]
    layers = {
        match[1] for name in tensors if (match := re.match(r"text_model\.encoder\.layers\.(\d+)\.", name))
    }
    config = import_transformers().CLIPTextConfig(
        vocab_size=tensors[_TOKENS].shape[0],
        max_position_embeddings=tensors["text_model.embeddings.position_embedding.weight"].shape[0],
        hidden_size=width,
        intermediate_size=tensors["text_model.encoder.layers.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=len(layers),
        num_attention_heads=max(1, width // _HEAD_WIDTH),
        hidden_act="quick_gelu" if width <= _WIDEST_QUICK_GELU else "gelu",
        projection_dim=tensors[_PROJECTION].shape[0],
        eos_token_id=_END_OF_TEXT,
    )
    return from_tensors("CLIPTextModelWithProjection", config, tensors, path, "a CLIP text encoder")
