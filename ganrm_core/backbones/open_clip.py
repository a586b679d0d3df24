"""Loads a vision tower of OpenCLIP: `open_clip:<model>/<pretrained tag or weights file>`.

Also `open_clip:hf-hub:<owner>/<repository>` for models that bring their own configuration.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..utils.bounded_json import read_json_file
from ..utils.error_text import reason
from ..utils.errors import BackboneError
from .base import BackboneSpec, freeze, sha256_of_files
from .open_clip_checkpoint import visual_tensors
from .open_clip_registry import HUB_PREFIX, import_open_clip, known_tags, model_and_weights, no_such_tag
from .open_clip_weights import how_to_get, is_downloaded
from .vit import EMBEDDING, Layout, VitBackbone, probe, tap_depths
from .weights_cache import HUB_WEIGHTS, WEIGHT_SUFFIXES, in_hub_cache, in_library_cache
from .weights_lookup import find_file, find_folder, in_folders, looks_like_path

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_HUB_CONFIG = "open_clip_config.json"
# OpenCLIP builds a vision tower only together with a text tower: this one is tiny and needs no tokenizer.
_NO_TEXT = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}


@dataclass(frozen=True)
class _Source:
    """Architecture, weights file and preprocessing of a vision tower."""

    name: str
    config: dict[str, Any]
    weights: Path
    quick_gelu: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class OpenClipVision(VitBackbone):
    """The vision tower alone; its embedding is the projected one that OpenCLIP compares with text."""

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


def load(name: str, search_folders: Sequence[Path], *, offline: bool = False) -> OpenClipVision:
    """Load `<model>/<tag>`, `<model>/<weights file>` or `hf-hub:<owner>/<repository>`.

    A file is a path or a basename that is searched in `search_folders`. QuickGELU is used where the tag, or for a
    file the model's configuration, says so (OpenAI's weights as a file need a `…-quickgelu` model). A tag's weights
    come from `search_folders` (see `open_clip_weights.download`), a hub repository's from a folder of its name, else
    from the library's cache, after a download unless `offline`.
    """
    open_clip = import_open_clip()
    if name.startswith(HUB_PREFIX):
        return OpenClipVision(_from_hub(open_clip, name, search_folders, offline))
    model, weights, config = model_and_weights(open_clip, name)
    about = open_clip.get_pretrained_cfg(model, weights)
    if about:
        path = _weights_of_tag(open_clip, f"open_clip:{name}", about, search_folders, offline)
        return OpenClipVision(_from_tag(open_clip, f"open_clip:{name}", path, config, about))
    return OpenClipVision(_from_file(open_clip, model, weights, config, search_folders))


def _weights_of_tag(
    open_clip: Any, name: str, about: dict[str, Any], folders: Sequence[Path], offline: bool
) -> Path:
    if downloaded := is_downloaded(name, folders):
        return downloaded
    if offline:
        if cached := in_library_cache(about):
            return cached
        raise BackboneError(
            f"The weights of {name} are not on this machine, and nothing is downloaded here. To use them, "
            f"{how_to_get(name, about, folders)}"
        )
    try:
        return Path(open_clip.download_pretrained(about))
    except Exception as error:
        raise _unreachable(name, f"{name.partition('/')[0]}/<path>", error) from error


def _from_tag(
    open_clip: Any, name: str, weights: Path, config: dict[str, Any], about: dict[str, Any]
) -> _Source:
    # QuickGELU comes from the tag: where model and tag differ, OpenCLIP only warns and runs the wrong activation.
    mean, std = (
        about.get("mean") or open_clip.OPENAI_DATASET_MEAN,
        about.get("std") or open_clip.OPENAI_DATASET_STD,
    )
    return _Source(name, config, weights, bool(about.get("quick_gelu", False)), tuple(mean), tuple(std))


def _from_file(
    open_clip: Any, model: str, file: str, config: dict[str, Any], folders: Sequence[Path]
) -> _Source:
    path = find_file(file, folders)
    if path is None and (looks_like_path(file) or "/" in file or file.endswith(WEIGHT_SUFFIXES)):
        raise BackboneError(
            f"There is no weights file {file}{in_folders(folders)}. Check the path, or use one of the tags of "
            f"{model}: {known_tags(open_clip, model)}."
        )
    if path is None:
        raise no_such_tag(open_clip, model, file)
    if path.suffix not in WEIGHT_SUFFIXES:
        raise BackboneError(
            f"{path} is not a weights file that can be read safely. Use {', '.join(WEIGHT_SUFFIXES)}."
        )
    mean, std = _usual_normalisation(open_clip, model)
    quick_gelu = bool(config.get("quick_gelu", False))
    return _Source(f"open_clip:{model}/{path.name}", config, path, quick_gelu, mean, std)


def _from_hub(open_clip: Any, name: str, folders: Sequence[Path], offline: bool) -> _Source:
    about_file, weights = _files_of_repository(name.removeprefix(HUB_PREFIX), folders, offline)
    try:
        about = read_json_file(about_file)
        config, preprocessing = about.get("model_cfg", about), about.get("preprocess_cfg", {})
        trunk = str(config["vision_cfg"].get("timm_model_name", ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackboneError(
            f"{about_file} does not describe an OpenCLIP model ({reason(error)}). Download it again, or "
            "choose another."
        ) from error
    if offline and ":" in trunk:
        raise BackboneError(
            f"open_clip:{name} is built on {trunk}, which would have to be looked up on the hub, and nothing "
            "is downloaded here. Choose another backbone."
        )
    mean = tuple(preprocessing.get("mean", open_clip.OPENAI_DATASET_MEAN))
    std = tuple(preprocessing.get("std", open_clip.OPENAI_DATASET_STD))
    return _Source(f"open_clip:{name}", config, weights, bool(config.get("quick_gelu", False)), mean, std)


def _files_of_repository(repo: str, folders: Sequence[Path], offline: bool) -> tuple[Path, Path]:
    """Configuration and weights file of a hub repository."""
    if not _HUB_ID.fullmatch(repo):
        raise BackboneError(
            f"{repo!r} is no hub repository. Name it as open_clip:hf-hub:<owner>/<repository>."
        )
    if folder := find_folder(repo, folders, _HUB_CONFIG):
        weights = [folder / name for name in HUB_WEIGHTS if (folder / name).is_file()]
        if not weights:
            raise BackboneError(f"{folder} holds no weights. Put {HUB_WEIGHTS[0]} beside its {_HUB_CONFIG}.")
        return folder / _HUB_CONFIG, weights[0]
    if offline:
        about, cached = in_hub_cache(repo, [_HUB_CONFIG]), in_hub_cache(repo, HUB_WEIGHTS)
        if about and cached:
            return about, cached
        where = f"{folders[0] / repo.partition('/')[2]}" if folders else "a folder of that name"
        raise BackboneError(
            f"open_clip:hf-hub:{repo} is not on this machine, and nothing is downloaded here. To use it, get "
            f"{_HUB_CONFIG} and {HUB_WEIGHTS[0]} from huggingface.co/{repo} and put both into {where}."
        )
    from open_clip.pretrained import download_pretrained_from_hf

    try:
        about = Path(download_pretrained_from_hf(repo, filename=_HUB_CONFIG))
        return about, Path(download_pretrained_from_hf(repo))
    except Exception as error:
        raise _unreachable(
            f"open_clip:hf-hub:{repo}", "open_clip:<its architecture>/<path>", error
        ) from error


def _unreachable(name: str, instead: str, error: Exception) -> BackboneError:
    return BackboneError(
        f"The weights of {name} are not on this machine and cannot be downloaded ({reason(error)}). Check "
        f"the connection; without one, download the weights file elsewhere and use {instead}."
    )


def _usual_normalisation(
    open_clip: Any, model: str
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and std shared by all pretrained tags of `model`; OpenAI's where they differ."""
    tags = [
        open_clip.get_pretrained_cfg(model, tag) for tag in open_clip.list_pretrained_tags_by_model(model)
    ]
    used = {(tuple(tag["mean"]), tuple(tag["std"])) for tag in tags if tag.get("mean") and tag.get("std")}
    mean, std = (
        used.pop() if len(used) == 1 else (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    return tuple(mean), tuple(std)


def _visual_tower(source: _Source) -> nn.Module:
    open_clip = import_open_clip()
    try:
        # All OpenCLIP model classes build their vision tower alike.
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
    tensors = visual_tensors(source.weights, visual)
    try:
        visual.load_state_dict(tensors)
    except RuntimeError as error:
        wanted = visual.state_dict()
        common = wanted.keys() & tensors.keys()
        odd = [n for n in {**wanted, **tensors} if n not in common or wanted[n].shape != tensors[n].shape]
        raise BackboneError(
            f"{source.weights} does not fit {source.name}: {len(odd)} tensors are missing, unknown or of "
            f"another shape ({', '.join(odd[:4])}). Name the model that these weights were made with."
        ) from error
    return visual


def _square(size: Any, label: str) -> int:
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise BackboneError(
            f"{label} reads pictures of {height} × {width}; only square ones can be used. Choose another."
        )
    return int(height)
