"""Loads a vision encoder of the `transformers` library: `transformers:<hub id or folder>`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..utils.bounded_json import read_json_file
from ..utils.error_text import reason
from ..utils.errors import BackboneError
from ..utils.files import expand_home
from .base import sha256_of_files
from .hf_vision_model import (
    Preprocessing,
    TransformersVision,
    default_normalisation,
    import_transformers,
    quiet_transformers,
    three_numbers,
)
from .weights_cache import in_hub_cache
from .weights_lookup import close_names, find_folder, in_folders, looks_like_path

_CONFIG = "config.json"
_SINGLE_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_WEIGHTS_OR_INDEX = (*_SINGLE_WEIGHTS, *(f"{name}.index.json" for name in _SINGLE_WEIGHTS))
_PREPROCESSING = ("preprocessor_config.json", "processor_config.json")
_ALL_FILES = (_CONFIG, _PREPROCESSING[0], _SINGLE_WEIGHTS[0])
# These accept no other size than the one of their position embedding.
_ONE_SIZE = ("clip_vision_model", "siglip_vision_model")
_DINOV2_SIZE = 224  # trained up to 518, but the authors' preprocessing crops to this


def load(name: str, search_folders: Sequence[Path], *, offline: bool = False) -> TransformersVision:
    """Load the vision part of the model `name`: a folder, one found in `search_folders`, or a hub id.

    A hub id is read from the hub's local cache, after a download unless `offline`.
    """
    import_transformers()
    folder, label = _folder(name, search_folders, offline)
    config = _vision_config(folder, label)
    preprocessing = _preprocessing(folder, label)
    mean, std = _normalisation(preprocessing, config.model_type, label)
    return TransformersVision(
        config,
        folder,
        label=label,
        family="transformers",
        weights_sha256=sha256_of_files(_weights_files(folder, label)),
        preprocessing=Preprocessing(_input_size(config, preprocessing, label), mean, std),
    )


def default_input_size(model_type: str, image_size: int) -> int:
    """Input side without a preprocessing file. `image_size` is that of the position embedding."""
    return min(image_size, _DINOV2_SIZE) if model_type.startswith("dinov2") else image_size


def _folder(name: str, search_folders: Sequence[Path], offline: bool) -> tuple[Path, str]:
    """The model's folder, and the backbone's name without folders of this machine."""
    found = find_folder(name, search_folders, _CONFIG)
    is_hub_id = not looks_like_path(name) and name.count("/") == 1 and not Path(name).exists()
    if found is not None:
        return found, f"transformers:{name if is_hub_id else found.resolve().name}"
    if expand_home(name).is_dir():
        raise BackboneError(
            f"The folder {name} holds no {_CONFIG}. A model folder has {_CONFIG}, preprocessor_config.json and "
            "model.safetensors: choose the folder that holds these three."
        )
    if looks_like_path(name):
        raise BackboneError(
            f"There is no folder {name}. Check the path, or use a hub id such as openai/clip-vit-base-patch32."
        )
    folder = _cached(name, search_folders) if offline else _download(name, search_folders)
    return folder, f"transformers:{name}"


def _cached(repo: str, search_folders: Sequence[Path]) -> Path:
    """The model's folder in the hub's local cache. Raises BackboneError where a file is missing."""
    config = in_hub_cache(repo, [_CONFIG])
    missing = []
    if config is None or not any((config.parent / name).is_file() for name in _WEIGHTS_OR_INDEX):
        missing = list(_ALL_FILES)
    elif in_hub_cache(repo, _PREPROCESSING) is None and not _known_absent(repo, _PREPROCESSING):
        # Another program may have fetched the weights alone; default preprocessing would be a silent guess.
        missing = [_PREPROCESSING[0]]
    if config is not None and not missing:
        return config.parent
    where = search_folders[0] / repo.rpartition("/")[2] if search_folders else "a folder of that name"
    raise BackboneError(
        f"transformers:{repo} is not on this machine{in_folders(search_folders)} ({', '.join(missing)} missing), "
        f"and nothing is downloaded here. To use it, get {', '.join(_ALL_FILES)} from huggingface.co/{repo} "
        f"and put them into {where}."
    )


def _known_absent(repo: str, names: Sequence[str]) -> bool:
    """Whether the cache records that the hub has none of `names`."""
    from huggingface_hub import _CACHED_NO_EXIST, try_to_load_from_cache

    return all(try_to_load_from_cache(repo, name) is _CACHED_NO_EXIST for name in names)


def _download(repo: str, search_folders: Sequence[Path]) -> Path:
    """The model's folder in the hub's local cache, after downloading missing files."""
    from huggingface_hub import hf_hub_download

    try:
        folder = Path(hf_hub_download(repo, _CONFIG)).parent
        _download_any(repo, _PREPROCESSING)
        if not _download_any(repo, ("model.safetensors",)):
            index = next(iter(_download_any(repo, [f"{name}.index.json" for name in _SINGLE_WEIGHTS])), None)
            for shard in _shards(index) if index else ("pytorch_model.bin",):
                hf_hub_download(repo, shard)
    except Exception as error:
        existing = [folder for folder in search_folders if folder.is_dir()]
        known = [path.name for folder in existing for path in folder.iterdir() if path.is_dir()]
        raise BackboneError(
            f"transformers:{repo} is not on this machine{in_folders(search_folders)} and cannot be downloaded "
            f"({reason(error)}). Check the name at huggingface.co and the connection; without one, download its "
            f"{_CONFIG}, preprocessor_config.json and model.safetensors into a folder elsewhere and use "
            f"transformers:<that folder>.{close_names(repo.split('/')[-1], known)}"
        ) from error
    return folder


def _download_any(repo: str, names: Sequence[str]) -> list[Path]:
    """Download the first of `names` that the repository has; at most one path."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import EntryNotFoundError  # type: ignore[attr-defined]

    for name in names:
        try:
            return [Path(hf_hub_download(repo, name))]
        except EntryNotFoundError:
            continue
    return []


def _weights_files(folder: Path, label: str) -> list[Path]:
    # In the order of `transformers`, so that the hashed file is the loaded one.
    for name in _SINGLE_WEIGHTS:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            files = [folder / shard for shard in _shards(index)]
            absent = [file.name for file in files if not file.is_file()]
            if absent:
                raise BackboneError(
                    f"{label}: {folder} lacks {', '.join(absent)}, which {index.name} names. Download them."
                )
            return files
    raise BackboneError(f"{label}: {folder} holds no weights. Put {_SINGLE_WEIGHTS[0]} beside its {_CONFIG}.")


def _shards(index: Path) -> list[str]:
    return sorted(set(_read_json(index)["weight_map"].values()))


def _vision_config(folder: Path, label: str) -> Any:
    transformers = import_transformers()
    try:
        with quiet_transformers():
            config = transformers.AutoConfig.from_pretrained(
                str(folder), trust_remote_code=False, local_files_only=True
            )
    except Exception as error:
        raise BackboneError(
            f"{label}: {folder / _CONFIG} cannot be used with transformers {transformers.__version__} "
            f"({reason(error)}). Update transformers, or choose a CLIP, SigLIP or DINOv2 model."
        ) from error
    vision = getattr(config, "vision_config", config)
    if "/" in str(getattr(vision, "_attn_implementation", None)):
        raise BackboneError(
            f"{label}: {folder / _CONFIG} asks for code from the hub ({vision._attn_implementation}), which is "
            "never run. Remove attn_implementation from it, or choose another model."
        )
    if vision.model_type == "siglip2_vision_model":
        raise BackboneError(
            f"{label} is a SigLIP 2 NaFlex model, which takes pictures of any shape. Use one of fixed size, "
            "such as google/siglip2-base-patch16-224."
        )
    if vision is not config and config.model_type == "clip":
        # The projection was saved with the whole model's width.
        vision.projection_dim = config.projection_dim
    return vision


def _preprocessing(folder: Path, label: str) -> dict[str, Any]:
    for name in _PREPROCESSING:
        if (folder / name).is_file():
            try:
                data = _read_json(folder / name)
            except ValueError as error:
                raise BackboneError(
                    f"{label}: {folder / name} is not JSON ({reason(error)}). Download it again."
                ) from error
            return dict(data.get("image_processor", data))
    return {}


def _normalisation(
    preprocessing: dict[str, Any], model_type: str, label: str
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    if preprocessing.get("do_normalize") is False:
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    mean, std = default_normalisation(model_type)
    return (
        three_numbers(preprocessing.get("image_mean", mean), f"{label}: image_mean"),
        three_numbers(preprocessing.get("image_std", std), f"{label}: image_std"),
    )


def _input_size(config: Any, preprocessing: dict[str, Any], label: str) -> int:
    own = _side(getattr(config, "image_size", None))
    if config.model_type in _ONE_SIZE and own:
        return own
    cropped = preprocessing.get("crop_size") if preprocessing.get("do_center_crop", True) else None
    size = (
        _side(cropped)
        or _side(preprocessing.get("size"))
        or default_input_size(config.model_type, own or 224)
    )
    if not 0 < size <= 2048:
        raise BackboneError(
            f"{label} asks for pictures of {size} × {size}, which cannot be right. Correct its files."
        )
    return size


def _side(size: Any) -> int | None:
    """The side of a square size in any notation of `transformers` configurations."""
    if isinstance(size, dict):
        size = size.get("shortest_edge") or size.get("height")
    elif isinstance(size, (list, tuple)) and size:
        size = size[0]
    return size if isinstance(size, int) else None


def _read_json(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = read_json_file(path)
    return data
