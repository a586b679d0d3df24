"""Folders of pictures: finding, reading ahead, and telling one set of files from another."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from .cores import in_order
from .drawn_results import is_drawn_result
from .errors import DataError, ImageError
from .files import shown
from .images import UnreadableImageError, fits_in_memory, read_image
from .result_folders import SHEET, is_selection
from .short_names import short_names
from .system_folders import is_system_folder

# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".avif", ".avifs", ".heic", ".heif", ".jxl", ".ppm", ".pgm", ".pbm", ".pnm", ".qoi",
))
# fmt: on
"""File name endings (lower case) of what is taken for a picture when a folder is read."""


DECODERS = min(4, os.cpu_count() or 1)
"""Threads that decode ahead unless told otherwise."""

NAMED = 5
"""How many files a sentence about skipped ones names unless told otherwise."""
_NAMED = 3  # folders in a message

Content = TypeVar("Content")


def decoders_beside(device_type: str) -> int:
    """How many threads shall decode ahead while a backbone runs on `device_type` ("cpu", "cuda", …).

    On a CPU only as many as torch leaves cores idle: one that takes a core from a network's own threads makes all of
    them wait for it (docs/performance.md).
    """
    idle = (os.cpu_count() or 1) - torch.get_num_threads()
    return min(DECODERS, max(0, idle)) if device_type == "cpu" else DECODERS


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why in a few words."""

    path: Path
    reason: str


def find_images(
    folder: str | os.PathLike[str], *, recursive: bool = False, say: Callable[[str], None] | None = None
) -> list[Path]:
    """The pictures in `folder` (with `recursive`, below it too), in natural order: frame2 before frame10.

    Chosen by the ending of the name. Links are followed, each folder once, so a link in a circle does no harm.
    Left out are hidden files and folders, those of the system (see `is_system_folder`), and earlier results: the
    maps, masks and contact sheets that the commands drew, and whole folders below `folder` that hold a selection.
    `say` is told of those folders and drawings in a sentence. The pictures of a selection are found where `folder`
    itself is one.

    Raises `DataError` for a folder that is missing, is a file, cannot be listed, or holds no picture.
    """
    root = Path(folder)
    if not os.path.lexists(root):
        raise DataError(
            f"There is no folder {shown(root)}. Check the path, or create it and put pictures in."
        )
    if not root.is_dir():
        raise DataError(f"{shown(root)} is not a folder. Give the folder that holds the pictures.")
    listing = _Listing(root, recursive)
    listing.collect(root)
    if not listing.found:
        raise DataError(_no_picture(listing))
    if say is not None and (results := listing.results):
        say(f"Left out of {shown(root)} as earlier results: {' and '.join(results)}.{_how_to_read(listing)}")
    # The path itself breaks ties such as A.png and a.png, so that the order is the same everywhere.
    return sorted(listing.found, key=lambda path: (_natural(path.relative_to(root)), str(path)))


def stream_images(
    paths: Sequence[Path], *, workers: int = DECODERS, prefetch: int = 8, skipped: list[Skipped]
) -> Iterator[tuple[int, Tensor]]:
    """Yield (index into `paths`, uint8 image [3, H, W]) in order, decoding ahead; see `stream_files`."""
    return stream_files(
        paths, lambda _, path: read_image(path), workers=workers, prefetch=prefetch, skipped=skipped
    )


def stream_files(
    paths: Sequence[Path],
    read: Callable[[int, Path], Content],
    *,
    workers: int = DECODERS,
    prefetch: int = 8,
    share: bool = False,
    skipped: list[Skipped],
) -> Iterator[tuple[int, Content]]:
    """Yield (index into `paths`, what `read` makes of it and its path) in order, reading ahead in threads.

    Without `workers` nothing is read ahead. At most `prefetch` wait read, however many paths there are. A file that
    cannot be read (`read` raises ImageError, or main memory runs out) is appended to `skipped` and left out. The
    threads end with the generator: when it is exhausted, closed or dropped, or when reading raises anything else, which
    passes through. `share`: among them are the cores that torch may use (see `in_order`).
    """
    if workers < 0 or prefetch < 1:
        raise ValueError("workers are 0 or more, prefetch is 1 or more")

    def attempt(item: tuple[int, Path]) -> tuple[int, Content | Skipped]:
        try:
            with fits_in_memory(item[1]):
                return item[0], read(*item)
        except ImageError as error:
            return item[0], Skipped(Path(item[1]), reason_of(error))

    for index, content in in_order(enumerate(paths), attempt, threads=workers, ahead=prefetch, share=share):
        if isinstance(content, Skipped):
            skipped.append(content)
        else:
            yield index, content
        del content  # else the picture would live on here while the next one is decoded


def describe_skipped(skipped: Sequence[Skipped], limit: int = NAMED, among: Sequence[Path] = ()) -> str:
    """One plain sentence naming at most `limit` files and why each was left out; "" if there are none.

    `among`: the files that were read, so that each name is one that only one of them has.
    """
    if not skipped:
        return ""
    count = "1 file was" if len(skipped) == 1 else f"{len(skipped)} files were"
    return f"{count} skipped: {names_and_reasons(skipped, limit, among)}."


def names_and_reasons(skipped: Sequence[Skipped], limit: int, among: Sequence[Path] = ()) -> str:
    """Such as `"a.png" (it is empty), "b.png" (it is a folder) and 3 more`; see `describe_skipped`."""
    names = short_names([entry.path for entry in skipped], among)
    named = [
        f"{shown(name)} ({entry.reason})" for name, entry in zip(names[:limit], skipped[:limit], strict=True)
    ]
    if len(skipped) > limit:
        named.append(f"{len(skipped) - limit} more")
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def content_hashes(paths: Sequence[Path]) -> list[str]:
    """The sha256 of each file's bytes, in hex. Raises `ImageError` for a file that cannot be read."""
    return [content_hash(path) for path in paths]


def fingerprint(hashes: Sequence[str]) -> str:
    """One sha256 (hex) for a whole set of content hashes, whatever their order; copies count."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode("ascii")).hexdigest()


def common_files(liked: Sequence[str], ordinary: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (index into `liked`, index into `ordinary`) of files with the same content hash."""
    places = defaultdict(list)
    for index, content in enumerate(ordinary):
        places[content].append(index)
    return [(first, second) for first, content in enumerate(liked) for second in places.get(content, ())]


@dataclass
class _Listing:
    """What is found below `root`: pictures, earlier results, and `others`, counted by ending."""

    root: Path
    recursive: bool
    found: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    selections: list[Path] = field(default_factory=list)
    drawn: int = 0
    unread: int = 0  # subfolders
    seen: set[tuple[int, int]] = field(default_factory=set)

    def collect(self, folder: Path) -> None:
        subfolders = []
        for entry in self._entries(folder):
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                if not is_system_folder(entry.name):
                    subfolders.append(path)
            elif entry.name == SHEET and is_selection(folder):
                self.others["contact sheet"] += 1
            elif (suffix := path.suffix.lower()) not in IMAGE_SUFFIXES:
                self.others[suffix or "no ending"] += 1
            elif is_drawn_result(path):
                self.drawn += 1
            else:
                # A link to nowhere counts: reading it says what is wrong, leaving it out would not.
                self.found.append(path)
        if not self.recursive:
            self.unread += len(subfolders)
            return
        for subfolder in subfolders:
            if is_selection(subfolder):
                self.selections.append(subfolder)
            else:
                self.collect(subfolder)

    @property
    def results(self) -> list[str]:
        """What was left out as an earlier result, in words."""
        parts = []
        if self.selections:
            names = [shown(path.relative_to(self.root)) for path in self.selections[:_NAMED]]
            if len(self.selections) > _NAMED:
                names.append(f"{len(self.selections) - _NAMED} more folders")
            parts.append(f"pictures that were selected earlier ({', '.join(names)})")
        if self.drawn:
            parts.append(
                f"{self.drawn} drawing{'s' if self.drawn > 1 else ''} of ganrm (maps, masks, sheets)"
            )
        return parts

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in self.seen:
                return []
            self.seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                # Real folders first: one that a link also leads to is then found under its own name.
                return sorted(listing, key=lambda entry: (entry.is_symlink(), entry.name))
        except OSError as error:
            raise DataError(
                f"Cannot list the folder {shown(folder)}: {error.strerror or error}. Check its permissions."
            ) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _no_picture(listing: _Listing) -> str:
    folder, others = shown(listing.root), listing.others
    parts = listing.results
    what = "no picture of its own" if parts else "no picture"
    if others:
        kinds = ", ".join(f"{count} × {suffix}" for suffix, count in others.most_common(5))
        if len(others) > 5:
            kinds += " and others"
        total = sum(others.values())
        parts.append(f"{total} other file{'s' if total > 1 else ''} ({kinds})")
    if listing.unread:
        parts.append(f"{listing.unread} subfolder{'s' if listing.unread > 1 else ''}")
    if not parts:
        return f"The folder {folder} is empty. Put pictures in it, or choose another folder."
    advice = "Include the subfolders, or choose" if listing.unread else "Choose"
    return (
        f"The folder {folder} holds {what}, only {' and '.join(parts)}.{_how_to_read(listing)} {advice} a folder "
        "with PNG, JPEG, WebP or other picture files."
    )


def _how_to_read(listing: _Listing) -> str:
    return " Give the folder of a selection itself to read its pictures." if listing.selections else ""


def _natural(path: Path) -> list[list[tuple[int, int, str]]]:
    # The ending comes last, so that cat.png stands before cat2.png.
    # Digits compare as numbers and before letters; int() also reads the digits of other scripts.
    return [
        [
            (0, int(piece), "") if piece.isdecimal() else (1, 0, piece)
            for piece in re.split(r"(\d+)", part.casefold())
            if piece
        ]
        for part in (*path.parent.parts, path.stem, path.suffix)
    ]


def reason_of(error: ImageError) -> str:
    return error.reason if isinstance(error, UnreadableImageError) else str(error).rstrip(".")


def content_hash(path: Path) -> str:
    """The sha256 of a file's bytes, in hex; of a file that did not change since, without reading it again.

    Raises `ImageError` where it cannot be read.
    """
    try:
        about = Path(path).stat()
        return _hash_once(os.fspath(path), about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    except OSError as error:
        raise ImageError(
            f"Cannot read {shown(path)}: {error.strerror or error}. Put it back or check its permissions, "
            "or read the folder again."
        ) from error


@lru_cache(maxsize=1 << 16)
def _hash_once(path: str, _inode: int, _size: int, _modified: int, _changed: int) -> str:
    """Sets of thousands of files are read again and again, mostly unchanged."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
