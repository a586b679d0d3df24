"""Finds weights files by path, name or sha256 in given folders."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from ..utils.files import expand_home
from .base import sha256_of_files


def find_file(name: str, folders: Sequence[Path]) -> Path | None:
    """The file at the path `name`, else at that path below a folder, else with that basename in a folder.

    Subfolders are searched too, in sorted order.
    """
    direct = expand_home(name)
    for candidate in (direct, *(folder / direct for folder in folders)):
        if candidate.is_file():
            return candidate
    return next((path for path in walk_files(folders) if path.name == direct.name), None)


def find_folder(name: str, folders: Sequence[Path], marker: str) -> Path | None:
    """The folder at the path `name`, else below or among `folders`, that contains a file `marker`."""
    direct = expand_home(name)
    below = [folder / part for folder in folders for part in (direct, Path(direct.name))]
    itself = [folder for folder in folders if direct.name and folder.name == direct.name]
    return next((path for path in (direct, *below, *itself) if (path / marker).is_file()), None)


def find_by_sha256(sha256: str, folders: Sequence[Path]) -> Path | None:
    """The .safetensors file in `folders` and their subfolders with this sha256. Slow: hashes every file."""
    files = (path for path in walk_files(folders) if path.suffix == ".safetensors")
    return next((path for path in files if sha256_of_files([path]) == sha256.lower()), None)


def walk_files(folders: Sequence[Path]) -> Iterator[Path]:
    """Files in `folders`, at most two levels deep: a checkpoint's folder may be a whole home directory."""
    for folder in folders:
        for root, subfolders, names in os.walk(folder):
            depth = len(Path(root).relative_to(folder).parts)
            subfolders[:] = (
                sorted(name for name in subfolders if not name.startswith(".")) if depth < 2 else []
            )
            yield from (Path(root) / name for name in sorted(names))


def looks_like_path(name: str) -> bool:
    """Whether `name` can only be a local path (a hub id has at most one slash)."""
    return (
        name.startswith(("/", "~", "."))
        or "\\" in name
        or name.count("/") > 1
        or bool(re.match(r"[A-Za-z]:", name))
    )


def without_folder(name: str) -> str:
    """The backbone `name` with any path in it reduced to its last component.

    An untrusted checkpoint must not choose which local files are opened. On Windows a path can name another machine,
    which would receive the user's credentials.
    """
    family, _, rest = name.partition(":")
    head = f"{family}:"
    if family == "open_clip" and rest.startswith("hf-hub:"):
        head, rest = f"{head}hf-hub:", rest.removeprefix("hf-hub:")
    elif family == "open_clip":
        model, slash, rest = rest.partition("/")
        head += model + slash
    if not rest:
        return name
    if family == "file" or looks_like_path(rest):
        rest = re.split(r"[/\\:]", rest)[-1].lstrip("~.")
    return head + rest


def close_names(name: str, known: Iterable[str], count: int = 5) -> str:
    """ " Did you mean: …?" with the known names nearest to `name`; empty if none is similar."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=count, cutoff=0.5)]
    return f" Did you mean: {', '.join(near)}?" if near else ""


def in_folders(folders: Sequence[Path]) -> str:
    """ " in <folders>" for an error message; empty without folders."""
    return f" in {', '.join(str(folder) for folder in folders)}" if folders else ""
