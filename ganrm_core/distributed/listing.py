"""Streamed listing of pictures below folders: local ones as `find_images` lists them, those of other filesystems by suffix."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..data.image_folder import IMAGE_SUFFIXES, each_image
from ..data.system_folders import is_system_folder
from ..utils.errors import DataError
from ..utils.files import shown
from .storage import Folder, is_url, pyarrow_module


@dataclass(frozen=True)
class Source:
    """Pictures to list: all below the folder or URL `place`, or only the files `names` in it."""

    place: str
    recursive: bool = False
    names: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"place": self.place, "recursive": self.recursive, "names": list(self.names)}


def sources_of(paths: list[str | Path], recursive: bool) -> tuple[Source, ...]:
    """What the paths and URLs of a command name. Raises DataError for a path that is not there, or has no picture's suffix.

    Local files are told from folders by looking; URLs by their suffix, without asking the store.
    """
    folders: list[Source] = []
    files: dict[str, list[str]] = {}
    for path in paths:
        text = os.fspath(path)
        if is_url(text):
            parent, _, name = text.rpartition("/")
            if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES:
                files.setdefault(parent, []).append(name)
            else:
                folders.append(Source(text, recursive))
        elif Path(text).is_dir():
            folders.append(Source(str(Path(text).absolute()), recursive))
        elif os.path.lexists(text):
            absolute = Path(text).absolute()
            files.setdefault(str(absolute.parent), []).append(absolute.name)
        else:
            raise DataError(f"There is no file or folder {shown(text)}. Check the path.")
    return (*folders, *(Source(parent, False, tuple(names)) for parent, names in files.items()))


def listed(source: Source) -> Iterator[str]:
    """Names of the pictures, relative to the source's place. Raises DataError for a folder without any."""
    if source.names:
        yield from source.names
    elif is_url(source.place):
        found = False
        for name in _below(Folder(source.place), "", source.recursive):
            found = True
            yield name
        if not found:
            raise DataError(
                f"There is no picture in {shown(source.place)}. Check its name, and add --recursive if the pictures lie in "
                "folders below it."
            )
    else:
        root = Path(source.place)
        for path in each_image(root, recursive=source.recursive):
            yield path.relative_to(root).as_posix()


def _below(folder: Folder, name: str, recursive: bool) -> Iterator[str]:
    """Names of pictures in a remote folder, its own first. In memory are the entries of one folder a level."""
    directory = pyarrow_module("fs").FileType.Directory
    deeper: list[str] = []
    for entry in folder.entries(name):
        below = f"{name}/{entry.base_name}" if name else entry.base_name
        if entry.base_name.startswith("."):
            continue
        if entry.type == directory:
            if recursive and not is_system_folder(entry.base_name):
                deeper.append(below)
        elif PurePosixPath(entry.base_name).suffix.lower() in IMAGE_SUFFIXES:
            yield below
    for below in deeper:
        yield from _below(folder, below, recursive)
