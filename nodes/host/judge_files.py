"""Weights of published networks in ComfyUI's models folders, by the names that combos show: "clip_vision/….safetensors"."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import folder_paths

from ...ganrm_core.rewards.known.judges import Judge
from ...ganrm_core.rewards.prompt_fit.clip_files_pair import fitting_text_encoders
from ...ganrm_core.utils.bounded_json import read_json_file
from ...ganrm_core.utils.errors import BackboneError
from ...ganrm_core.utils.files import shown
from .folders import BACKBONES, JUDGES, WEIGHTS, subfolders

AUTOMATIC = "automatic"
_VISION, _TEXT = "clip_vision", "text_encoders"
_CONFIG = "config.json"
_PAIRS = ("clip", "siglip")
_CHAT_MODELS = (
    JUDGES,
    "LLM",
)  # the second is no kind of ComfyUI's own, but other packs keep such models there
_UNFINISHED = (".aria2", ".part", ".crdownload", ".download", ".tmp")  # appended to the whole file name


def judge_choices() -> list[str]:
    """Files and `transformers` folders of models/ganrm_judges."""
    return [AUTOMATIC, *_named(JUDGES, folders=True)]


def encoder_choices() -> list[str]:
    """Vision encoders: files of models/clip_vision and `transformers` folders."""
    return [AUTOMATIC, *_encoders()]


def pair_choices() -> list[str]:
    """Models that compare pictures with text: CLIP and SigLIP folders, weights files, and files of models/clip_vision."""
    return list(_pairs())


def text_choices() -> list[str]:
    """Text encoders of models/text_encoders."""
    return [AUTOMATIC, *_texts()]


def chat_choices() -> list[str]:
    """Vision-language models: `transformers` folders."""
    return list(_chat_models())


def judge_path(judge: Judge, choice: str) -> Path:
    """The file or folder of a judge. Raises BackboneError that says what to get and where to put it."""
    files = _named(JUDGES, folders=True)
    name = judge.find(files) if choice == AUTOMATIC else choice
    if isinstance(name, str) and name in files:
        return files[name]
    where = Path(folder_paths.get_folder_paths(JUDGES)[0]) / judge.published[0]
    missing = (
        "is not on this machine"
        if name is None
        else f"cannot be read from {shown(str(choice))}, which is not there"
    )
    raise BackboneError(
        f"{judge.name} {missing}. Get {judge.published[0]} from {judge.source}, put it at {shown(where)} and press R on "
        "the page. Nothing is downloaded here."
    )


def encoder_path(judge: Judge, choice: str) -> Path | None:
    """The vision encoder of a judge, None for one that needs none; "automatic" takes the first file of its shape."""
    if judge.predictor is None:
        return None
    files = _encoders()
    if choice != AUTOMATIC:
        return _chosen(files, choice, "vision model")
    for path in files.values():
        if path.is_file() and judge.predictor.recognises(path):
            return path
    raise BackboneError(
        f"{judge.name} needs {judge.predictor.encoder} besides, and no file of ComfyUI's models/clip_vision is that. Put it "
        "there and press R on the page."
    )


def pair_path(choice: str) -> Path:
    """The model of Prompt Fit. Raises BackboneError for a name that `pair_choices` does not list."""
    return _chosen(_pairs(), choice, "model")


def chat_path(choice: str) -> Path:
    """The folder of a vision-language model. Raises BackboneError for a name that `chat_choices` does not list."""
    return _chosen(_chat_models(), choice, "vision-language model")


def text_path(choice: str, vision: Path) -> Path | None:
    """The text encoder that belongs to the file `vision`; None where that is a whole model.

    "automatic" takes the only one whose projection is as wide. Raises BackboneError where there is none or a choice.
    """
    if vision.is_dir():
        return None
    files = _texts()
    if choice != AUTOMATIC:
        return _chosen(files, choice, "text encoder")
    names = {path: name for name, path in files.items()}
    fitting = fitting_text_encoders(vision, names)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        which = ", ".join(names[path] for path in fitting)
        raise BackboneError(
            f"Several text encoders may belong to {shown(vision.name)}: {which}. Choose the right one."
        )
    raise BackboneError(
        f"No text encoder of models/text_encoders has the projection that belongs to {shown(vision.name)}. For OpenAI's "
        "CLIP ViT-L/14 put the clip_l.safetensors of Stable Diffusion 3 or Flux there, and press R on the page."
    )


def fingerprint(*paths: Path | None) -> str:
    """Sizes and modification times of files, and of the files directly in folders. Never raises."""
    found = []
    for path in filter(None, paths):
        try:
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                about = file.stat()
                found.append(f"{file.name} {about.st_size} {about.st_mtime_ns}")
        except OSError:
            found.append("missing")
    return "\n".join(found)


def _encoders() -> dict[str, Path]:
    files = _named(_VISION, endings=(".safetensors",), folders=True)
    return files | _named(BACKBONES, endings=(), folders=True)


def _pairs() -> dict[str, Path]:
    found = (
        _named(JUDGES, folders=True)
        | _named(BACKBONES, endings=(), folders=True)
        | _named(_VISION, folders=True)
    )
    return {name: path for name, path in found.items() if path.is_file() or _model_type(path) in _PAIRS}


def _chat_models() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for kind in _CHAT_MODELS:
        found |= _named(kind, endings=(), folders=True)
    return {name: path for name, path in found.items() if _sees_and_writes(path)}


def _texts() -> dict[str, Path]:
    return _named(_TEXT, endings=(".safetensors",), folders=False)


def _chosen(files: Mapping[str, Path], choice: str, what: str) -> Path:
    # A workflow is untrusted: only what a list offers is opened.
    if isinstance(choice, str) and choice in files:
        return files[choice]
    raise BackboneError(
        f"The {what} {shown(str(choice))} is not on this machine. Put it there and press R on the page, or choose another."
    )


def _named(kind: str, *, endings: tuple[str, ...] = tuple(WEIGHTS), folders: bool) -> dict[str, Path]:
    """Whole files with one of `endings`, and `transformers` folders, of a kind of models folder, by "kind/name"."""
    found: dict[str, Path] = {}
    for root in map(Path, _roots(kind)):
        inside = (
            [name for name in subfolders(root, depth=2) if (root / name / _CONFIG).is_file()]
            if folders
            else []
        )
        for name in inside:
            found.setdefault(f"{kind}/{name}", root / name)
        for name in _file_names(kind) if endings else ():
            path, inner = root / name, name.replace("\\", "/")
            in_folder = any(inner.startswith(f"{folder}/") for folder in inside)
            if path.suffix in endings and not in_folder and _is_whole(path):
                found.setdefault(f"{kind}/{inner}", path)
    return dict(sorted(found.items()))


def _roots(kind: str) -> list[str]:
    try:
        return list(folder_paths.get_folder_paths(kind))
    except KeyError:  # a host without that kind
        place = Path(folder_paths.models_dir) / kind
        return [str(place)] if place.is_dir() else []


def _file_names(kind: str) -> list[str]:
    try:
        return list(folder_paths.get_filename_list(kind))
    except KeyError:
        return []


def _is_whole(path: Path) -> bool:
    try:
        hidden = path.name.startswith(".")
        return (
            not hidden
            and path.stat().st_size > 0
            and not any(os.path.lexists(f"{path}{e}") for e in _UNFINISHED)
        )
    except OSError:
        return False


def _model_type(folder: Path) -> str:
    return str(_config(folder).get("model_type", ""))


def _sees_and_writes(folder: Path) -> bool:
    """Whether a folder's configuration has a vision part and is not one that compares pictures with text."""
    return isinstance(_config(folder).get("vision_config"), dict) and _model_type(folder) not in _PAIRS


def _config(folder: Path) -> dict[str, Any]:
    """The configuration of a folder; empty where it cannot be read."""
    try:
        found = read_json_file(folder / _CONFIG)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
