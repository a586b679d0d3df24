"""Vision towers of OpenCLIP: `open_clip:<model>/<pretrained tag or weights file>`.

Also `open_clip:hf-hub:<owner>/<repository>` for models that bring their own configuration.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import BackboneError
from .base import BackboneSpec, freeze, sha256_of_files
from .locate import close_names, find_file, in_folders, looks_like_path, reason
from .vit import EMBEDDING, Layout, VitBackbone, probe, tap_depths

_HUB = "hf-hub:"
_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
_VISUAL = "visual."
# The library builds a picture tower only together with a text tower: one this small costs nothing,
# and needs no tokenizer from the hub.
_NO_TEXT = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}


@dataclass(frozen=True)
class _Source:
    """What is to be built, and from which file."""

    name: str
    config: dict[str, Any]
    weights: Path
    quick_gelu: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class OpenClipVision(VitBackbone):
    """The picture tower alone; its embedding is the projected one that OpenCLIP compares with text."""

    def __init__(self, source: _Source) -> None:
        super().__init__()
        self.net = _visual_tower(source)
        size = _square(self.net.image_size, source.name)
        freeze(self)
        self.layout = self._find_layout(size, source.name)
        self.spec = BackboneSpec(
            family="open_clip",
            name=source.name,
            weights_sha256=sha256_of_files([source.weights]),
            input_size=size,
            mean=source.mean,
            std=source.std,
            taps=self.layout.taps,
            embedding=EMBEDDING,
        )

    def embedding(self, pixels: Tensor) -> Tensor:
        output = self.net(pixels)
        embedding: Tensor = output[0] if isinstance(output, tuple) else output
        return embedding

    def _find_layout(self, size: int, label: str) -> Layout:
        net: Any = self.net
        blocks = "trunk.blocks" if hasattr(net, "trunk") else "transformer.resblocks"
        try:
            depth = len(net.get_submodule(blocks))
        except AttributeError as error:
            raise BackboneError(
                f"{label} is not a vision transformer. Choose a model whose name begins with ViT, EVA or PE."
            ) from error
        if hasattr(net, "trunk"):
            found = probe(self, blocks, depth, size)
            prefix, class_token = net.trunk.num_prefix_tokens, net.trunk.cls_token is not None
            return Layout(blocks, depth, prefix, class_token, found.widths, found.embedding_width)
        if not getattr(net.transformer, "batch_first", False):
            raise BackboneError(
                f"{label} needs a newer OpenCLIP. Install it with: pip install --upgrade open_clip_torch"
            )
        widths = (net.conv1.out_channels,) * len(tap_depths(depth))
        return Layout(
            blocks, depth, prefix=1, class_token=True, widths=widths, embedding_width=net.output_dim
        )


def load(name: str, search_folders: Sequence[Path]) -> OpenClipVision:
    """Load `<model>/<tag>`, `<model>/<weights file>` or `hf-hub:<owner>/<repository>`.

    A file is a path or a basename looked for in `search_folders`. QuickGELU is used where the tag
    says its weights were trained with it, or, for a file, where the model's configuration does
    (so OpenAI's own weights as a file want a `…-quickgelu` model).
    """
    open_clip = _import_open_clip()
    if name.startswith(_HUB):
        return OpenClipVision(_from_hub(open_clip, name))
    model, _, weights = name.partition("/")
    config = open_clip.get_model_config(model)
    if config is None:
        raise BackboneError(
            f"OpenCLIP {open_clip.__version__} has no model "
            f"{model!r}.{close_names(model, open_clip.list_models())} "
            "Name it as open_clip:<model>/<pretrained tag or file>."
        )
    if not weights:
        raise BackboneError(
            f"open_clip:{model} does not say which weights. Add one of its tags or a file: "
            f"{_tags(open_clip, model)}."
        )
    tag = open_clip.get_pretrained_cfg(model, weights)
    if tag:
        return OpenClipVision(_from_tag(open_clip, model, weights, config, tag))
    return OpenClipVision(_from_file(open_clip, model, weights, config, search_folders))


def _import_open_clip() -> Any:
    try:
        import open_clip
    except Exception as error:
        raise BackboneError(
            f"This backbone needs OpenCLIP, which cannot be imported ({reason(error)}). "
            "Install it with: pip install open_clip_torch"
        ) from error
    return open_clip


def _from_tag(open_clip: Any, model: str, tag: str, config: dict[str, Any], about: dict[str, Any]) -> _Source:
    name = f"open_clip:{model}/{tag}"
    try:
        weights = Path(open_clip.download_pretrained(about))
    except Exception as error:
        raise _unreachable(name, f"open_clip:{model}/<path>", error) from error
    # The library would only warn where the tag's activation is not the model's, and run the wrong one.
    mean, std = (
        about.get("mean") or open_clip.OPENAI_DATASET_MEAN,
        about.get("std") or open_clip.OPENAI_DATASET_STD,
    )
    return _Source(name, config, weights, bool(about.get("quick_gelu", False)), tuple(mean), tuple(std))


def _from_file(
    open_clip: Any, model: str, file: str, config: dict[str, Any], folders: Sequence[Path]
) -> _Source:
    path = find_file(file, folders)
    if path is None and (looks_like_path(file) or "/" in file or file.endswith(_SUFFIXES)):
        raise BackboneError(
            f"There is no weights file {file}{in_folders(folders)}. Check the path, or use one of the "
            f"tags of {model}: "
            f"{_tags(open_clip, model)}."
        )
    if path is None:
        raise BackboneError(
            f"{model} has no pretrained tag {file!r}. Its tags are: {_tags(open_clip, model)}."
        )
    if path.suffix not in _SUFFIXES:
        raise BackboneError(
            f"{path} is not a weights file that can be read safely. Use {', '.join(_SUFFIXES)}."
        )
    mean, std = _usual_normalisation(open_clip, model)
    quick_gelu = bool(config.get("quick_gelu", False))
    return _Source(f"open_clip:{model}/{path.name}", config, path, quick_gelu, mean, std)


def _from_hub(open_clip: Any, name: str) -> _Source:
    from open_clip.pretrained import download_pretrained_from_hf

    repo = name.removeprefix(_HUB)
    try:
        about = json.loads(
            Path(download_pretrained_from_hf(repo, filename="open_clip_config.json")).read_text()
        )
        weights = Path(download_pretrained_from_hf(repo))
    except Exception as error:
        raise _unreachable(f"open_clip:{name}", "open_clip:<its architecture>/<path>", error) from error
    config, preprocessing = about.get("model_cfg", about), about.get("preprocess_cfg", {})
    mean = tuple(preprocessing.get("mean", open_clip.OPENAI_DATASET_MEAN))
    std = tuple(preprocessing.get("std", open_clip.OPENAI_DATASET_STD))
    return _Source(f"open_clip:{name}", config, weights, bool(config.get("quick_gelu", False)), mean, std)


def _unreachable(name: str, instead: str, error: Exception) -> BackboneError:
    return BackboneError(
        f"The weights of {name} are not on this machine and cannot be downloaded ({reason(error)}). Check "
        "the "
        f"connection; without one, download the weights file elsewhere and use {instead}."
    )


def _tags(open_clip: Any, model: str) -> str:
    return ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "it has none, so name a file"


def _usual_normalisation(
    open_clip: Any, model: str
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """What all published weights of `model` use, so that a file works as its tag does; else OpenAI's."""
    tags = [
        open_clip.get_pretrained_cfg(model, tag) for tag in open_clip.list_pretrained_tags_by_model(model)
    ]
    used = {(tuple(tag["mean"]), tuple(tag["std"])) for tag in tags if tag.get("mean") and tag.get("std")}
    mean, std = (
        used.pop() if len(used) == 1 else (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    return tuple(mean), tuple(std)


def _visual_tower(source: _Source) -> nn.Module:
    open_clip = _import_open_clip()
    try:
        # Every kind of model builds its picture tower alike, so this class stands for all of them.
        model = open_clip.CustomTextCLIP(
            embed_dim=source.config["embed_dim"],
            vision_cfg={**source.config["vision_cfg"], "timm_model_pretrained": False},
            text_cfg=_NO_TEXT,
            quick_gelu=source.quick_gelu,
        )
    except Exception as error:
        raise BackboneError(
            f"{source.name} cannot be built with OpenCLIP {open_clip.__version__} ({reason(error)}). "
            "Choose another model, or update with: pip install --upgrade open_clip_torch timm"
        ) from error
    visual: nn.Module = model.visual
    tensors = _visual_tensors(source.weights, visual)
    try:
        visual.load_state_dict(tensors)
    except RuntimeError as error:
        wanted = visual.state_dict()
        odd = [
            n
            for n in {**wanted, **tensors}
            if n not in tensors or n not in wanted or wanted[n].shape != tensors[n].shape
        ]
        raise BackboneError(
            f"{source.weights} does not fit {source.name}: {len(odd)} tensors are missing, unknown or of "
            "another shape "
            f"({', '.join(odd[:4])}). Name the model that these weights were made with."
        ) from error
    return visual


def _visual_tensors(path: Path, visual: nn.Module) -> dict[str, Tensor]:
    """The picture tower's tensors in the file, which may hold the whole model or that tower alone."""
    try:
        tensors = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except Exception as error:
        raise BackboneError(
            f"{path} cannot be read ({reason(error)}). It is damaged, incomplete or holds code, which is "
            "never run: "
            "download it again, as .safetensors if there is one."
        ) from error
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    of_tower = {
        name.removeprefix(_VISUAL): tensor for name, tensor in tensors.items() if name.startswith(_VISUAL)
    }
    if of_tower:
        return of_tower
    if set(tensors) & set(visual.state_dict()):
        return tensors
    raise BackboneError(
        f"{path} holds no OpenCLIP vision tower: its {len(tensors)} tensors begin with "
        f"{', '.join(sorted(tensors)[:3]) or 'nothing'}. For a file in transformers' naming use file:<path>."
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        names = list(file.keys())
        # A whole model's text half is half a gigabyte that nobody asked for.
        visual = [name for name in names if name.removeprefix("module.").startswith(_VISUAL)]
        return {name: file.get_tensor(name) for name in visual or names}


def _read_torch(path: Path) -> dict[str, Tensor]:
    data = torch.load(path, map_location="cpu", weights_only=True)
    data = data.get("state_dict", data)
    return {name: value for name, value in data.items() if isinstance(value, Tensor)}


def _square(size: Any, label: str) -> int:
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise BackboneError(
            f"{label} reads pictures of {height} × {width}; only square ones can be used. Choose another."
        )
    return int(height)
