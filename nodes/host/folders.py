"""ComfyUI's folders: registering ours, the image folders a combo offers, and resolving a folder's name to its path."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import folder_paths

from ...ganrm_core.data.system_folders import is_system_folder
from ...ganrm_core.utils.errors import DataError, OutputError
from ...ganrm_core.utils.files import is_there, shown
from .safe_paths import SEPARATOR, allowed_absolute_path, allowed_folders, check_text, relative_path, unquoted

MODELS, DATASETS, BACKBONES = "ganrm", "ganrm_datasets", "ganrm_backbones"
JUDGES = "ganrm_judges"
WEIGHTS = frozenset({".safetensors", ".pt", ".pth", ".bin"})
"""Endings of weights files that published judges come in."""
_DEPTH = 3


def register() -> None:
    """Make our folders known to ComfyUI, keeping what extra_model_paths.yaml already named."""
    kinds: tuple[tuple[str, set[str] | frozenset[str]], ...] = (
        *((MODELS, {".safetensors"}), (BACKBONES, {".safetensors"})),
        *((JUDGES, WEIGHTS), (DATASETS, frozenset())),
    )
    for kind, suffixes in kinds:
        folder = Path(folder_paths.models_dir) / kind
        folder_paths.add_model_folder_path(kind, str(folder))
        paths, known = folder_paths.folder_names_and_paths[kind]
        folder_paths.folder_names_and_paths[kind] = (paths, {*known, *suffixes})
        # A read-only models folder must not keep the nodes from loading.
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)


def folder_choices() -> list[str]:
    """Combo options for image folders: input, output, datasets, and the owner's allowlist.

    Only names that `resolve_folder` maps back to the same folder: not every name on a disk survives a workflow.
    """
    offered: list[tuple[str, Path]] = []
    for root, folder in _roots():
        if root != "datasets":
            offered.append((root, folder))
        offered += [(f"{root}/{name}", folder / name) for name in subfolders(folder)]
    for folder in allowed_folders():
        inner = (folder / name for name in subfolders(folder, depth=1))
        offered += [(str(place), place) for place in (folder, *inner)]
    return list(dict.fromkeys(name for name, folder in offered if _round_trips(name, folder)))


def resolve_folder(value: str) -> Path:
    """The path of the folder a combo's value names. Raises DataError where it may not be read."""
    check_text(value, "read from")
    value = unquoted(value)
    if (absolute := allowed_absolute_path(value, "read from")) is not None:
        return absolute
    first, rest = _first_and_rest(value)
    relative = relative_path(rest, value, "read from")
    homes = [folder for root, folder in _roots() if root == first]
    if not homes:
        raise DataError(
            f"There is no folder {shown(value)} here. Folders are named from input/, output/ or datasets/. "
            "Make it and put pictures in, or choose another; press R on the page to refresh the list."
        )
    places = [home / relative for home in homes]
    return next((place for place in places if is_there(place) and place.is_dir()), places[0])


def new_folder(value: str, what: str, *, default: str) -> Path:
    """Path of a folder to write to, below output or datasets; a bare name lies in `default` ("output" …).

    Raises OutputError where it may not be written to. The folder is not created.
    """
    try:
        check_text(value, "written to")
        value = unquoted(value).strip()
        if (absolute := allowed_absolute_path(value, "written to")) is not None:
            return absolute
        first, rest = _first_and_rest(value)
        homes = dict(reversed(_roots()))  # reversed: the first of several datasets folders wins
        if first not in homes:
            first, rest = default, value
        relative = relative_path(rest, value, "written to")
    except DataError as error:
        raise OutputError(str(error)) from error
    if first == "input":
        raise OutputError(
            f"The folder {shown(value)} is only read from. Give {what} a name below output/ or datasets/."
        )
    if relative == Path():
        raise OutputError(f"Give {what} a name.")
    return homes[first] / relative


def output_folder() -> Path:
    """ComfyUI's output folder."""
    return Path(folder_paths.get_output_directory())


def temporary_folder() -> Path:
    """Our part of ComfyUI's temporary folder, which ComfyUI empties at its start."""
    folder = Path(folder_paths.get_temp_directory()) / "ganrm"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cache_folder() -> Path:
    """Our persistent cache. The two underscores keep it out of reach of the page's own file requests."""
    folder = Path(folder_paths.get_user_directory()) / "__ganrm"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def shown_name(folder: Path) -> str:
    """The name under which a combo offers `folder`; its path where none does."""
    for root, home in _roots():
        if folder == home or home in folder.parents:
            return (PurePosixPath(root) / folder.relative_to(home).as_posix()).as_posix()
    return str(folder)


def _roots() -> list[tuple[str, Path]]:
    datasets = [("datasets", Path(folder)) for folder in folder_paths.get_folder_paths(DATASETS)]
    return [
        ("input", Path(folder_paths.get_input_directory())),
        ("output", output_folder()),
        *datasets,
    ]


def _first_and_rest(value: str) -> tuple[str, str]:
    first, *rest = SEPARATOR.split(value, maxsplit=1)
    return first, "".join(rest)


def _round_trips(choice: str, folder: Path) -> bool:
    """Whether `choice` can be sent as UTF-8 and resolves to just this folder, which can be listed."""
    try:
        choice.encode("utf-8")
        found = resolve_folder(choice)
    except (DataError, UnicodeEncodeError):
        return False
    return found == folder and found.is_dir() and os.access(found, os.R_OK | os.X_OK)


def subfolders(folder: Path, depth: int = _DEPTH) -> Iterator[str]:
    """Relative names below `folder`. Links are followed: whoever placed one owns the machine."""
    try:
        with os.scandir(folder) as listing:
            names = sorted(
                entry.name for entry in listing if not is_system_folder(entry.name) and _is_folder(entry)
            )
    except OSError:
        return
    for name in names:
        yield name
        if depth > 1:
            yield from (f"{name}/{below}" for below in subfolders(folder / name, depth - 1))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself must not hide its neighbours
        return False
