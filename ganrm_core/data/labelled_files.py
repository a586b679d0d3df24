"""The two sets of files a model is trained on, checked before any long work."""

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
from .content_hash import common_files, content_hashes
from .image_folder import find_images
from .image_io import read_image
from .skipped_files import Skipped, describe_skipped

LEAST_PER_CLASS = 10
_EMPTY = hashlib.sha256(b"").hexdigest()

_FOLDER = (str, os.PathLike)


@dataclass(frozen=True)
class PictureSet:
    """Picture files that belong together; nothing of them is loaded. `name` is for messages."""

    paths: tuple[Path, ...]
    name: str

    def __len__(self) -> int:
        return len(self.paths)


Source = str | os.PathLike[str] | Sequence[Path] | PictureSet
"""A folder, or the picture files themselves, with a name or without."""


@dataclass(frozen=True)
class TrainingFiles:
    """Liked and ordinary files with the sha256 of each, without repeats.

    `names`: what a message calls the "liked" and the "ordinary" set; "" for files without a name.
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
    """List both sets and refuse what cannot be trained on, or with `least` 1 judged by.

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
    warnings: list[str] = []
    liked_paths, liked_hashes = _listed(liked, "liked", recursive, least, warnings, progress)
    ordinary_paths, ordinary_hashes = _listed(ordinary, "ordinary", recursive, least, warnings, progress)
    names = {"liked": _name_of(liked), "ordinary": _name_of(ordinary)}
    shared = common_files(liked_hashes, ordinary_hashes)
    if shared:
        if len(shared) == len(liked_hashes) == len(ordinary_hashes):
            raise DataError(_same_pictures(len(shared), names))
        pairs = [(liked_paths[i], ordinary_paths[j]) for i, j in shared]
        refuse_shared(pairs, [*liked_paths, *ordinary_paths])
    return TrainingFiles(liked_paths, ordinary_paths, liked_hashes, ordinary_hashes, warnings, names)


def refuse_shared(pairs: Sequence[tuple[Path, Path]], among: Sequence[Path]) -> None:
    """Raise DataError naming some of the pictures that stand in both sets, of which all are `among`."""
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
    """Raise TooFewError where a set has fewer usable pictures than a model can be trained on.

    `kind` is "liked" or "ordinary", `name` what the set is called. `skipped` of the files `among` could not be read;
    `left_out` says what `find_images` did not count.
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
    """Raise TooFewError where one kind (label 1 liked, 0 ordinary) is too small; see `refuse_too_few`."""
    for label, kind in ((1, "liked"), (0, "ordinary")):
        name = names.get(kind, "")
        refuse_too_few(int((labels == label).sum()), kind, name=name, skipped=skipped, among=among)


def _name_of(source: Source) -> str:
    if isinstance(source, PictureSet):
        return source.name
    return os.fspath(source) if isinstance(source, _FOLDER) else ""


def _same_pictures(count: int, names: Mapping[str, str]) -> str:
    """Both sets hold the same: most often one folder was chosen twice."""
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


def _listed(
    source: Source,
    kind: str,
    recursive: bool,
    least: int,
    warnings: list[str],
    progress: ProgressCallback,
) -> tuple[list[Path], list[str]]:
    left_out: list[str] = []
    if isinstance(source, _FOLDER):
        paths = find_images(source, recursive=recursive, say=left_out.append)
    else:
        paths = [Path(path) for path in (source.paths if isinstance(source, PictureSet) else source)]
    first = once_each(paths, f"looking at the {kind} files", progress)
    warnings += left_out
    repeats = len(paths) - len(first)
    if repeats:
        warnings.append(f"{repeats} {kind} files are exact copies of others and count once.")
    if len(first) < least:
        refuse_too_few(len(first), kind, name=_name_of(source), left_out=left_out)
    return list(first.values()), list(first)


def once_each(paths: Sequence[Path], stage: str, progress: ProgressCallback) -> dict[str, Path]:
    """The files by the sha256 of their content, exact copies once.

    Those that are no pictures have a hash of their own each. They are skipped and named when the pictures
    are read: they must not stop the others, nor pass for copies of each other.
    """
    copies: dict[str, list[Path]] = {}
    progress(Progress(stage, 0, len(paths)))
    for done, path in enumerate(paths, start=1):
        copies.setdefault(_content(path) or _own_hash(path), []).append(path)
        progress(Progress(stage, done, len(paths)))
    first: dict[str, Path] = {}
    for content, some in copies.items():
        first |= (
            {content: some[0]} if len(some) == 1 or _is_picture(some[0]) else {_own_hash(p): p for p in some}
        )
    return first


def _content(path: Path) -> str:
    """The sha256 of a file's bytes; "" for one that is empty or cannot be read."""
    try:
        # Nothing but files: a pipe would wait for ever.
        content = content_hashes([path])[0] if path.is_file() else _EMPTY
    except (ImageError, OSError, ValueError):  # the latter for names that can be no path
        content = _EMPTY
    return "" if content == _EMPTY else content


def _own_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()


def _is_picture(path: Path) -> bool:
    try:
        read_image(path)
    except ImageError:
        return False
    return True


def _same_folder(first: Path, second: Path) -> bool:
    return first.exists() and second.exists() and first.samefile(second)
