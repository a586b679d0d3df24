"""OpenCLIP model whose whole checkpoint lies in a local file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from ...backbones.open_clip_registry import import_open_clip
from ...utils.error_text import reason
from ...utils.errors import BackboneError
from ..local_weights import NoInitialisation, load_exactly, tensors_of
from ..picture_transform import OPENAI_MEAN, OPENAI_STD, Fit, PictureTransform
from .image_text_pair import ImageTextPair


class OpenClipPair(ImageTextPair):
    """The architecture `model` of OpenCLIP with the weights of `path`, OpenAI's normalisation and CLIP's tokenizer.

    QuickGELU where the model's name says so (`…-quickgelu`). `fit` is how pictures become square.
    """

    def __init__(self, model: str, path: Path, fit: Fit = "crop, rounded") -> None:
        super().__init__()
        open_clip = import_open_clip()
        config = open_clip.get_model_config(model)
        _check_offline(model, config)
        tensors = tensors_of(path)
        try:
            with NoInitialisation():
                self.net: Any = open_clip.create_model(model, pretrained=None)
        except Exception as error:
            raise BackboneError(
                f"{model} cannot be built with OpenCLIP {open_clip.__version__} ({reason(error)}). Choose another model, "
                "or update with: pip install --upgrade open_clip_torch timm"
            ) from error
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
        load_exactly(self.net, tensors, path, f"an OpenCLIP {model}")
        self.files = (path,)
        size = self.net.visual.image_size
        side = size if isinstance(size, int) else size[0]
        self.transform = PictureTransform(int(side), OPENAI_MEAN, OPENAI_STD, fit)
        self.scale = float(self.net.logit_scale.detach().exp())
        bias = getattr(self.net, "logit_bias", None)
        self.bias = None if bias is None else float(bias)
        self.tokens = open_clip.get_tokenizer(model)

    def encode_image(self, pixels: Tensor) -> Tensor:
        embedding: Tensor = self.net.encode_image(pixels)
        return embedding

    def encode_text(self, tokens: Tensor) -> Tensor:
        embedding: Tensor = self.net.encode_text(tokens)
        return embedding


def _check_offline(model: str, config: dict[str, Any] | None) -> None:
    """Raises BackboneError for an unknown model, and for one whose tokenizer or text encoder lies on the hub."""
    if config is None:
        raise BackboneError(f"OpenCLIP has no model {model!r}. Name it as open_clip:<model>/<weights file>.")
    text = config.get("text_cfg", {})
    if text.get("hf_model_name") or text.get("hf_tokenizer_name"):
        raise BackboneError(
            f"The tokenizer of OpenCLIP's {model} would have to be looked up on the hub, and nothing is downloaded here. "
            "Use the model as a transformers folder, or one with CLIP's own tokenizer, such as ViT-L-14."
        )
