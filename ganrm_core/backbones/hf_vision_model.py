"""Vision encoder of the `transformers` library as a backbone, from a folder or from tensors in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..utils.error_text import reason
from ..utils.errors import BackboneError
from ..utils.optional_imports import cannot_import
from ..utils.safetensors_io import open_safetensors, readable_path
from .base import BackboneSpec, freeze
from .dinov2_names import has_newer_names, with_older_names
from .vit import EMBEDDING, Layout, VitBackbone, probe, tap_depths

OPENAI_MEAN, OPENAI_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_CLIP, _SIGLIP = "clip_vision_model", "siglip_vision_model"
# model type → class; AutoModel for every other type
_CLASSES = {
    _CLIP: "CLIPVisionModelWithProjection",
    _SIGLIP: "SiglipVisionModel",
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "dinov3_vit": "DINOv3ViTModel",
}
_CLASS_TOKENS = ("cls_token", "class_token", "class_embedding")
_PROJECTED, _MEAN_OF_TOKENS = "image_embeds", "mean"


@dataclass(frozen=True)
class Preprocessing:
    """Side of the square input in pixels, and per-channel mean and standard deviation of RGB in 0–1."""

    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class TransformersVision(VitBackbone):
    """Any vision encoder of `transformers` with a single list of blocks.

    The embedding is the authors': CLIP's projected image embedding (the pooled class token without a projection),
    SigLIP's attention-pooled output, DINOv2's and DINOv3's normalised class token; for others the pooled output, else the mean of
    the last tokens.
    """

    def __init__(
        self,
        config: Any,
        source: Path | dict[str, Tensor],
        *,
        label: str,
        family: str,
        weights_sha256: str,
        preprocessing: Preprocessing,
    ) -> None:
        """`config` is that of the vision part, `source` a folder or all tensors, `label` the backbone's name."""
        super().__init__()
        config.return_dict = True  # `embedding` reads outputs by name
        self.net, self._read = _load(config, source, label)
        freeze(self)
        self.layout = self._find_layout(config, preprocessing.input_size, label)
        self.spec = BackboneSpec(
            family=family,
            name=label,
            weights_sha256=weights_sha256,
            input_size=preprocessing.input_size,
            mean=preprocessing.mean,
            std=preprocessing.std,
            taps=self.layout.taps,
            embedding=EMBEDDING,
        )

    def embedding(self, pixels: Tensor) -> Tensor:
        output = self.net(pixel_values=pixels)
        pooled = None if self._read == _MEAN_OF_TOKENS else getattr(output, self._read, None)
        if pooled is not None:
            embedding: Tensor = pooled.flatten(1)
            return embedding
        tokens = output.last_hidden_state
        mean: Tensor = tokens.mean(dim=(2, 3) if tokens.ndim == 4 else 1)
        return mean

    def _find_layout(self, config: Any, input_size: int, label: str) -> Layout:
        blocks, depth = _find_blocks(self.net, config, label)
        if config.model_type in _CLASSES:
            prefix = 0 if config.model_type == _SIGLIP else 1 + getattr(config, "num_register_tokens", 0)
            projected = self._read == _PROJECTED
            return Layout(
                blocks=blocks,
                depth=depth,
                prefix=prefix,
                class_token=prefix > 0,
                widths=(config.hidden_size,) * len(tap_depths(depth)),
                embedding_width=config.projection_dim if projected else config.hidden_size,
            )
        try:
            found = probe(self, blocks, depth, input_size)
        except Exception as error:
            raise BackboneError(
                f"{label} cannot be run on a picture of {input_size} × {input_size} ({reason(error)}). "
                "Use a CLIP, SigLIP, DINO or plain ViT vision encoder."
            ) from error
        prefix = _prefix(found.lengths, getattr(config, "patch_size", None), input_size)
        class_token = prefix > 0 and any(
            name.endswith(_CLASS_TOKENS) for name, _ in self.net.named_parameters()
        )
        return Layout(blocks, depth, prefix, class_token, found.widths, found.embedding_width)


def import_transformers() -> Any:
    try:
        import transformers
    except Exception as error:
        raise BackboneError(cannot_import("This backbone", "transformers", error, "transformers")) from error
    return transformers


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Suppress progress bars and the report on text tensors, which are left out on purpose."""
    import_transformers()
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def default_normalisation(model_type: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation used in training models of this type."""
    if "siglip" in model_type:
        return HALF, HALF
    return (OPENAI_MEAN, OPENAI_STD) if "clip" in model_type else (IMAGENET_MEAN, IMAGENET_STD)


def three_numbers(values: Any, label: str) -> tuple[float, float, float]:
    """Validate a mean or standard deviation of RGB from a file; `label` names it in the error."""
    if (
        not isinstance(values, (list, tuple))
        or len(values) != 3
        or not all(isinstance(v, (int, float)) for v in values)
    ):
        raise BackboneError(f"{label} is {values!r}, not three numbers. Correct the file.")
    first, second, third = values
    return float(first), float(second), float(third)


def _load(config: Any, source: Path | dict[str, Tensor], label: str) -> tuple[nn.Module, str]:
    """The network, and the field of its output that holds the embedding."""
    net, missing, unexpected = _from_pretrained(config, source, label, _CLASSES.get(config.model_type))
    if {"visual_projection.weight", *(f"vision_model.{name}" for name in unexpected)} == missing:
        # Saved without projection, under short names that some versions (5.17) do not load into this class.
        net, missing, unexpected = _from_pretrained(config, source, label, "CLIPVisionModel")
    if isinstance(source, Path) and has_newer_names(unexpected):
        # Saved by a newer `transformers` than the one here.
        renamed = with_older_names(_tensors_in(source))
        net, missing, unexpected = _from_pretrained(config, renamed, label, _CLASSES.get(config.model_type))
    # Used only in pretraining and by older versions.
    missing = {name for name in missing if not name.endswith(("mask_token", "position_ids"))}
    unexpected = {name for name in unexpected if not name.endswith("position_ids")}
    read = "pooler_output"
    if missing == {"visual_projection.weight"}:
        net, missing = net.vision_model, set()
    elif missing and all(_belongs_to_pooler(name) for name in missing):
        # The pooler would keep its random weights.
        read, missing = _MEAN_OF_TOKENS, set()
    if missing:
        raise BackboneError(_tensors_message(label, "lacks", missing, config))
    # A folder may hold a text model as well; tensors in memory are the vision part alone.
    if unexpected and not isinstance(source, Path):
        raise BackboneError(_tensors_message(label, "has unknown", unexpected, config))
    return net, _PROJECTED if hasattr(net, "visual_projection") else read


def _from_pretrained(
    config: Any, source: Path | dict[str, Tensor], label: str, class_name: str | None
) -> tuple[Any, set[str], set[str]]:
    """Load into a class of `transformers` (None: AutoModel); returns network, missing and unexpected tensors."""
    transformers = import_transformers()
    class_name = class_name or "AutoModel"
    if not hasattr(transformers, class_name):
        raise BackboneError(
            f"{label} needs {class_name}, which transformers {transformers.__version__} does not have. "
            "Install a newer one with: pip install --upgrade transformers"
        )
    model_class = getattr(transformers, class_name)
    options = {"config": config, "output_loading_info": True}
    if class_name == "AutoModel":
        options["trust_remote_code"] = False  # the default asks at the terminal
    try:
        with quiet_transformers():
            if isinstance(source, Path):
                with readable_path(source) as folder:
                    net, info = model_class.from_pretrained(folder, **options)
            else:
                net, info = model_class.from_pretrained(None, state_dict=source, **options)
    except Exception as error:
        raise BackboneError(
            f"{label}: the weights cannot be loaded as {config.model_type} ({reason(error)}). "
            "The file may be incomplete or of another model: download it again, or choose another."
        ) from error
    if getattr(net, "main_input_name", "") != "pixel_values":
        raise BackboneError(
            f"{label} is a {config.model_type}, which does not read pictures. Use a vision encoder."
        )
    return net, set(info["missing_keys"]), set(info["unexpected_keys"])


def _tensors_in(folder: Path) -> dict[str, Tensor]:
    """All weights of a model's folder, read without running code."""
    tensors: dict[str, Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with open_safetensors(file) as opened:
            tensors.update({name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118
    for file in () if tensors else sorted(folder.glob("pytorch_model*.bin")):
        tensors.update(torch.load(file, map_location="cpu", weights_only=True))
    return tensors


def _belongs_to_pooler(name: str) -> bool:
    # Older versions prefix the name of the whole network.
    return "pooler" in name.split(".") or name.removeprefix("vision_model.").startswith("head.")


def _find_blocks(net: nn.Module, config: Any, label: str) -> tuple[str, int]:
    """Name and length of the list of transformer blocks."""
    depth = getattr(config, "num_hidden_layers", None) or len(getattr(config, "depths", ()))
    for name, module in net.named_modules():
        if depth and isinstance(module, nn.ModuleList) and len(module) == depth:
            return name, depth
    raise BackboneError(
        f"{label} is a {config.model_type}, whose blocks cannot be read one by one. "
        "Use a CLIP, SigLIP, DINO or plain ViT vision encoder."
    )


def _prefix(lengths: tuple[int, ...], patch: Any, input_size: int) -> int:
    """Number of tokens beyond one per patch; 0 where tokens are not patches."""
    if not isinstance(patch, int) or len(set(lengths)) > 1:
        return 0
    return max(0, lengths[0] - (input_size // patch) ** 2)


def _tensors_message(label: str, verb: str, names: set[str], config: Any) -> str:
    few = ", ".join(sorted(names)[:4])
    return (
        f"{label} {verb} {len(names)} tensors for a {config.model_type} "
        f"({few}{', …' if len(names) > 4 else ''}). "
        "It is another kind of model or an incomplete file: choose another, or download it again."
    )
