"""CLIP or SigLIP in a local folder of the `transformers` library, with its own tokenizer and preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from ...backbones.hf_vision_model import import_transformers, quiet_transformers, three_numbers
from ...utils.error_text import reason
from ...utils.errors import BackboneError
from ...utils.files import shown
from ...utils.safetensors_io import readable_path
from ..local_weights import from_folder, read_json, weights_files
from ..picture_transform import PictureTransform
from .image_text_pair import ImageTextPair
from .siglip_tokens import VOCABULARY, SiglipTokens

_CLASSES = {"clip": "CLIPModel", "siglip": "SiglipModel"}
_PREPROCESSING = ("preprocessor_config.json", "processor_config.json")
_BICUBIC = 3
_LONGEST_CLIP = 77
_LARGEST_SIZE = 2048


class TransformersPair(ImageTextPair):
    """Tokens are padded to the length of the training, so that no embedding depends on other prompts.

    SigLIP reads the padding, so that it is part of its score, and was trained on lower-case text; SigLIP 2 needs
    that done here, where the folder's tokenizer does not do it. CLIP's text embedding is the one at the end-of-text
    token, which cannot see the padding behind it.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        kind = _model_type(folder)
        self.net: Any = from_folder(_CLASSES[kind], folder)
        self.files = weights_files(folder)
        self.transform = transform_of(folder)
        self.scale = float(self.net.logit_scale.detach().exp())
        self.bias = float(self.net.logit_bias) if kind == "siglip" else None
        positions = self.net.config.text_config.max_position_embeddings
        length = positions if kind == "siglip" else min(positions, _LONGEST_CLIP)
        vocabulary = folder / VOCABULARY
        if kind == "siglip" and vocabulary.is_file():
            self.tokens = SiglipTokens(vocabulary, length)
        else:
            self.tokens = _FolderTokens(folder, length, lower_case=kind == "siglip")

    def encode_image(self, pixels: Tensor) -> Tensor:
        return _embedding(self.net.get_image_features(pixel_values=pixels))

    def encode_text(self, tokens: Tensor) -> Tensor:
        return _embedding(self.net.get_text_features(input_ids=tokens))


class _FolderTokens:
    """The tokenizer of a folder, padded to `length`."""

    def __init__(self, folder: Path, length: int, *, lower_case: bool) -> None:
        self._tokenizer = _tokenizer(folder)
        self._length = length
        self._lower_case = lower_case

    def __call__(self, prompt: str) -> Tensor:
        read = self._tokenizer(
            [prompt.lower() if self._lower_case else prompt],
            padding="max_length",
            truncation=True,
            max_length=self._length,
            return_tensors="pt",
        )
        ids: Tensor = read["input_ids"]
        return ids


def transform_of(folder: Path) -> PictureTransform:
    """The preprocessing that a folder's own configuration describes. Raises BackboneError for one not known here."""
    path = next(
        (folder / name for name in _PREPROCESSING if (folder / name).is_file()), folder / _PREPROCESSING[0]
    )
    data = read_json(path)
    data = data.get("image_processor", data)
    size = data.get("size")
    squash = isinstance(size, dict) and "height" in size
    side = _side(size)
    crops = bool(data.get("do_center_crop", not squash))
    if crops and not squash and data.get("crop_size") is not None and _side(data["crop_size"]) != side:
        raise BackboneError(
            f"{shown(path)} crops to another size than it resizes to. Use a published CLIP or SigLIP."
        )
    if (
        side is None
        or not 0 < side <= _LARGEST_SIZE
        or not data.get("do_resize", True)
        or not (crops or squash)
    ):
        raise BackboneError(
            f"{shown(path)} prepares pictures in a way that is not known here. Use a CLIP or SigLIP of a fixed size."
        )
    if squash and not _is_square(size):
        raise BackboneError(
            f"{shown(path)} asks for pictures that are not square. Use a published CLIP or SigLIP."
        )
    plain = data.get("do_normalize") is False
    return PictureTransform(
        side,
        (0.0, 0.0, 0.0) if plain else three_numbers(data.get("image_mean"), f"{path}: image_mean"),
        (1.0, 1.0, 1.0) if plain else three_numbers(data.get("image_std"), f"{path}: image_std"),
        "squash" if squash else "crop",
        int(data.get("resample", _BICUBIC)),
    )


def _model_type(folder: Path) -> str:
    kind = str(read_json(folder / "config.json").get("model_type"))
    if kind == "siglip2":
        raise BackboneError(
            f"{shown(folder)} is a SigLIP 2 NaFlex model, which takes pictures of any shape. Use one of fixed size, such "
            "as google/siglip2-base-patch16-224."
        )
    if kind not in _CLASSES:
        raise BackboneError(
            f"{shown(folder)} holds a model of the type {kind}, which does not compare pictures with text here. Use a "
            "whole CLIP or SigLIP: a folder with its config.json, weights, tokenizer and preprocessor_config.json."
        )
    return kind


def _tokenizer(folder: Path) -> Any:
    transformers = import_transformers()
    try:
        with quiet_transformers(), readable_path(folder) as name:
            return transformers.AutoTokenizer.from_pretrained(
                name, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:
        raise BackboneError(
            f"The tokenizer in {shown(folder)} cannot be loaded ({reason(error)}). Put the model's tokenizer files "
            "(tokenizer.json, or vocab.json with merges.txt, or spiece.model) beside its config.json."
        ) from error


def _embedding(output: Any) -> Tensor:
    # Until version 4 the tensor itself.
    embedding: Tensor = output if isinstance(output, Tensor) else output.pooler_output
    return embedding


def _side(size: Any) -> int | None:
    if isinstance(size, dict):
        size = size.get("shortest_edge") or size.get("height")
    return size if isinstance(size, int) else None


def _is_square(size: dict[str, Any]) -> bool:
    return size.get("height") == size.get("width")
