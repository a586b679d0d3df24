"""Model files in ComfyUI's models folders: reward models, and the weights of vision backbones."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

import folder_paths

from ...ganrm_core.rewards.discriminator.checkpoint import check_model_path
from ...ganrm_core.training.feature_archive import SUFFIX as FEATURES_SUFFIX
from ...ganrm_core.training.model_versions import newest, series_of
from ...ganrm_core.utils.errors import CheckpointError, DataError, OutputError
from ...ganrm_core.utils.files import is_file, shown
from .folders import BACKBONES, MODELS
from .safe_paths import SEPARATOR, check_text, relative_path, unquoted

NEWEST_OF = "newest of "
"""Before the name of a series of models: see `model_choices`."""
_DOWNLOADING = (".aria2", ".part", ".crdownload", ".download", ".tmp")  # appended to the whole file name


def model_names() -> list[str]:
    """The reward models in models/ganrm, as a combo shows them."""
    # Feature archives lie beside their models.
    return [name for name in _complete_files(MODELS) if not name.endswith(FEATURES_SUFFIX)]


def model_choices() -> list[str]:
    """Options of Load GAN-RM: "newest of …" for each series, which stays right after retraining; then every file."""
    series = {_series_of(name): None for name in model_names()}
    return [*(f"{NEWEST_OF}{name}" for name in series if name), *model_names()]


def chosen_model(choice: str) -> str:
    """The file name that an option of `model_choices` stands for now; any other text unchanged."""
    series = choice.removeprefix(NEWEST_OF)
    if series == choice:
        return choice
    files = {
        Path(folder_paths.get_full_path(MODELS, name) or name): name
        for name in model_names()
        if _series_of(name) == series
    }
    found = newest(files)
    return files[found] if found else choice


def model_path(name: str) -> Path:
    """The file of a reward model. Raises CheckpointError that says what to get and where to put it."""
    try:
        check_text(name, "read from")
        name = chosen_model(name)
        relative = relative_path(unquoted(name), name, "read from")
    except DataError as error:
        raise CheckpointError(str(error)) from error
    for folder in folder_paths.get_folder_paths(MODELS):
        if relative != Path() and is_file(path := Path(folder) / relative):
            return path
    home = folder_paths.get_folder_paths(MODELS)[0]
    raise CheckpointError(
        f"This workflow uses the reward model {shown(name.removeprefix(NEWEST_OF))}, which is not on this machine. "
        "Train your own with Train GAN-RM and keep it with Save GAN-RM; or get the file from whoever shared the "
        f"workflow, put it into {shown(home)} and press R on the page; or choose another model."
    )


def new_model_path(name: str) -> Path:
    """Where to save a reward model called `name`. Raises OutputError for a name outside models/ganrm."""
    path = _new_path(name, Path(folder_paths.get_folder_paths(MODELS)[0]), "the reward model", "my_taste")
    check_model_path(path)
    return path


def new_lora_path(name: str) -> Path:
    """Where to save a LoRA called `name`. Raises OutputError for a name outside models/loras."""
    return _new_path(name, lora_folder(), "the LoRA", "my_taste_lora")


def lora_folder() -> Path:
    """Where LoRAs are saved: the first of ComfyUI's folders for them."""
    return Path(folder_paths.get_folder_paths("loras")[0])


def _new_path(name: str, folder: Path, what: str, example: str) -> Path:
    """`folder / name` with the ending .safetensors. Raises OutputError for no name, and for one outside `folder`."""
    try:
        check_text(name, "written to")
        relative = relative_path(unquoted(name).strip(), name, "written to")
    except DataError as error:
        raise OutputError(str(error)) from error
    if relative == Path():
        raise OutputError(f"Give {what} a name, such as {example}.")
    if relative.suffix != ".safetensors":
        relative = relative.with_name(f"{relative.name}.safetensors")
    return folder / relative


def backbone_folders() -> list[Path]:
    """Folders with backbone weights: our downloads, and ComfyUI's clip_vision models."""
    kinds = (BACKBONES, "clip_vision")
    return [Path(folder) for kind in kinds for folder in folder_paths.get_folder_paths(kind)]


def download_folder() -> Path:
    """Where backbone weights are downloaded to."""
    return Path(folder_paths.get_folder_paths(BACKBONES)[0])


def vision_files() -> list[str]:
    """The .safetensors files of models/clip_vision, as combos show them."""
    return [name for name in _complete_files("clip_vision") if name.endswith(".safetensors")]


def lora_files() -> list[str]:
    """The .safetensors files of models/loras, as combos show them."""
    # Forward slashes on every system, so that a workflow made on Windows runs elsewhere.
    return [name.replace("\\", "/") for name in _complete_files("loras") if name.endswith(".safetensors")]


def lora_path(name: str) -> Path:
    """The file of a LoRA that `lora_files` lists; raises DataError for any other name, since a workflow is untrusted."""
    if name in lora_files():
        for folder in folder_paths.get_folder_paths("loras"):
            if (path := Path(folder) / name).is_file():
                return path
    raise DataError(
        f"The LoRA {shown(name)} is not on this machine. Put the file into ComfyUI's models/loras and press R on the "
        "page, or choose another."
    )


def lora_fingerprint(name: str) -> str:
    """Size and modification time of a LoRA file. Never raises."""
    try:
        about = lora_path(name).stat()
    except (DataError, OSError):
        return "missing"
    return f"{about.st_size} {about.st_mtime_ns}"


def _series_of(name: str) -> str | None:
    """The series with forward slashes on every system, so that a workflow made on Windows runs elsewhere."""
    path = PureWindowsPath(name) if os.name == "nt" else PurePosixPath(name)
    stem = series_of(path.stem)
    return path.with_name(stem).as_posix() if stem else None


def _complete_files(kind: str) -> list[str]:
    """ComfyUI's file list of a kind of model, without hidden files and unfinished downloads."""
    return sorted(
        name
        for name in folder_paths.get_filename_list(kind)
        if not any(part.startswith(".") for part in SEPARATOR.split(name))
        and _is_complete(Path(folder_paths.get_full_path(kind, name) or name))
    )


def _is_complete(path: Path) -> bool:
    """False for an empty file, and for one beside which a download manager keeps its working file."""
    if any(os.path.lexists(f"{path}{ending}") for ending in _DOWNLOADING):
        return False
    try:
        return path.stat().st_size > 0
    except OSError:  # a dangling link
        return False
