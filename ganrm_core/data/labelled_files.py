"""Validation of the liked and ordinary training files before any long work: listing, duplicates, overlap, counts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..utils.errors import DataError, ImageError, TooFewError
from ..utils.files import shown
from ..utils.progress import Progress, ProgressCallback, no_progress
from ..utils.short_names import short_names
from .content_hash import common_files, content_hash
from .image_folder import find_images
from .image_io import read_image
from .skipped_files import Skipped, describe_skipped

LEAST_PER_CLASS = 10
_EMPTY = hashlib.sha256(b"").hexdigest()

_FOLDER = (str, os.PathLike)


@dataclass(frozen=True)
class PictureSet:
    """A named set of picture files; nothing of them is loaded. `name` is for messages."""

    paths: tuple[Path, ...]
    name: str

    def __len__(self) -> int:
        return len(self.paths)


Source = str | os.PathLike[str] | Sequence[Path] | PictureSet
"""A folder, or a list of picture files, with a name or without."""


@dataclass(frozen=True)
class TrainingFiles:
    """Liked and ordinary files with their SHA-256, exact copies counted once.

    `names`: what messages call the "liked" and the "ordinary" set; "" for files without a name.
    """

    liked: list[Path]
    ordinary: list[Path]
    liked_hashes: list[str]
    ordinary_hashes: list[str]
    warnings: list[str] = field(default_factory=list)
    names: Mapping[str, str] = field(default_factory=dict)


def find_training_files(
    liked: Source,
    ordinary: Source,
    *,
    recursive: bool = False,
    least: int = LEAST_PER_CLASS,
    progress: ProgressCallback = no_progress,
) -> TrainingFiles:
    """List both sets and refuse what cannot be trained on (with `least` 1: evaluated on).

    Raises DataError for a folder that is missing, empty or given twice, and for files that are in both; TooFewError
    for fewer than `least` pictures in a set.
    """
    if (
        isinstance(liked, _FOLDER)
        and isinstance(ordinary, _FOLDER)
        and _same_folder(Path(liked), Path(ordinary))
    ):
        raise DataError(
            f"The liked and the ordinary folder are the same: {shown(Path(liked))}. "
            "Give a folder of pictures you like and another of ordinary outputs."
        )
    found = {
        kind: _list_set(source, kind, recursive, least, progress)
        for kind, source in (("liked", liked), ("ordinary", ordinary))
    }
    names = {kind: each.name for kind, each in found.items()}
    ours, theirs = found["liked"], found["ordinary"]
    shared = common_files(ours.hashes, theirs.hashes)
    if shared:
        if len(shared) == len(ours.hashes) == len(theirs.hashes):
            raise DataError(_same_pictures(len(shared), names))
        refuse_shared([(ours.paths[i], theirs.paths[j]) for i, j in shared], [*ours.paths, *theirs.paths])
    return TrainingFiles(
        ours.paths, theirs.paths, ours.hashes, theirs.hashes, [*ours.warnings, *theirs.warnings], names
    )


def refuse_shared(pairs: Sequence[tuple[Path, Path]], among: Sequence[Path]) -> None:
    """Raise DataError naming up to three of the (liked, ordinary) pairs; names are unique `among` all files."""
    names = short_names([path for pair in pairs[:3] for path in pair], among)
    named = "; ".join(f"{shown(a)} = {shown(b)}" for a, b in zip(names[::2], names[1::2], strict=True))
    more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    count = "1 picture is" if len(pairs) == 1 else f"{len(pairs)} pictures are"
    raise DataError(
        f"{count} in both the liked and the ordinary set (liked = ordinary: {named}{more}). "
        "A picture cannot be both: remove it from one of them."
    )


def refuse_too_few(
    count: int,
    kind: str,
    *,
    name: str = "",
    skipped: Sequence[Skipped] = (),
    among: Sequence[Path] = (),
    left_out: Sequence[str] = (),
) -> None:
    """Raise TooFewError where a set has fewer usable pictures than training needs.

    `kind` is "liked" or "ordinary", `name` the set's name. `skipped`: files of `among` that could not be read;
    `left_out`: sentences of `find_images` about files that do not count.
    """
    if count < LEAST_PER_CLASS:
        pictures = "picture" if count == 1 else "pictures"
        place, there = (f" in {shown(name)}", " there") if name else ("", "")
        lost = " ".join(filter(None, [describe_skipped(skipped, among=among), *left_out]))
        raise TooFewError(
            f"Only {count} usable {kind} {pictures}{place}. At least {LEAST_PER_CLASS} are needed, 50 or more are "
            f"better: add pictures{there}, or include its subfolders if they lie there. {lost}".rstrip(),
            kind=kind,
            count=count,
            needed=LEAST_PER_CLASS,
            name=name,
            lost=lost,
        )


def check_enough(
    labels: NDArray[np.int64], names: Mapping[str, str], skipped: Sequence[Skipped], among: Sequence[Path]
) -> None:
    """Raise TooFewError where one class (label 1 liked, 0 ordinary) is too small; see `refuse_too_few`."""
    for label, kind in ((1, "liked"), (0, "ordinary")):
        name = names.get(kind, "")
        refuse_too_few(int((labels == label).sum()), kind, name=name, skipped=skipped, among=among)


def _name_of(source: Source) -> str:
    if isinstance(source, PictureSet):
        return source.name
    return os.fspath(source) if isinstance(source, _FOLDER) else ""


def _same_pictures(count: int, names: Mapping[str, str]) -> str:
    """Message for two sets with the same pictures: most often one folder was chosen twice."""
    liked, ordinary = shown(names["liked"]), shown(names["ordinary"])
    if not names["liked"] or not names["ordinary"]:
        where = f"the same {count} pictures"
    elif liked == ordinary:
        where = f"the same: both are {liked}"
    else:
        where = f"the same: {liked} and {ordinary} hold the same {count}"
    return (
        f"The liked and the ordinary pictures are {where}. Choose a folder of pictures you like for the one, and "
        "another of ordinary outputs for the other."
    )


@dataclass(frozen=True)
class _ListedSet:
    """One set of files with hashes, without exact copies, and warnings about what was left out."""

    name: str
    paths: list[Path]
    hashes: list[str]
    warnings: list[str]


def _list_set(
    source: Source, kind: str, recursive: bool, least: int, progress: ProgressCallback
) -> _ListedSet:
    left_out: list[str] = []
    if isinstance(source, _FOLDER):
        paths = find_images(source, recursive=recursive, say=left_out.append)
    else:
        paths = [Path(path) for path in (source.paths if isinstance(source, PictureSet) else source)]
    first = unique_files(paths, f"looking at the {kind} files", progress)
    name, repeats = _name_of(source), len(paths) - len(first)
    if len(first) < least:
        refuse_too_few(len(first), kind, name=name, left_out=left_out)
    copies = [f"{repeats} {kind} files are exact copies of others and count once."] if repeats else []
    return _ListedSet(name, list(first.values()), list(first), [*left_out, *copies])


def unique_files(paths: Sequence[Path], stage: str, progress: ProgressCallback) -> dict[str, Path]:
    """Files by the SHA-256 of their content, exact copies once.

    Files that are no pictures get a hash of their own path each: they are reported when the pictures are read, and
    must not count as copies of each other.
    """
    copies: dict[str, list[Path]] = {}
    progress(Progress(stage, 0, len(paths)))
    for done, path in enumerate(paths, start=1):
        copies.setdefault(_content_hash(path) or _path_hash(path), []).append(path)
        progress(Progress(stage, done, len(paths)))
    first: dict[str, Path] = {}
    for content, some in copies.items():
        first |= (
            {content: some[0]} if len(some) == 1 or _is_picture(some[0]) else {_path_hash(p): p for p in some}
        )
    return first


def _content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes; "" for one that is empty or cannot be read."""
    try:
        # Regular files only: a pipe would block.
        content = content_hash(path) if path.is_file() else _EMPTY
    except (ImageError, OSError, ValueError):  # ValueError: a name that is no valid path
        content = _EMPTY
    return "" if content == _EMPTY else content


def _path_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()


def _is_picture(path: Path) -> bool:
    try:
        read_image(path)
    except ImageError:
        return False
    return True


def _same_folder(first: Path, second: Path) -> bool:
    return first.exists() and second.exists() and first.samefile(second)
