"""Paths of results: their suffix, folders left empty, and names that were taken meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .output import warn


def check_suffix(path: Path, what: str, suffix: str) -> None:
    """Raises OutputError for a path without the suffix."""
    from ..utils.errors import OutputError
    from ..utils.files import shown

    if path.suffix.lower() != suffix:
        raise OutputError(
            f"The {what} cannot be named {shown(path.name)}: give it a name that ends in {suffix}."
        )


@contextmanager
def empty_folders_removed(*folders: Path) -> Iterator[None]:
    """On exit, remove those of the folders and their parents that were created inside and are empty."""
    absent = [part for folder in folders for part in (folder, *folder.parents) if not part.exists()]
    try:
        yield
    finally:
        for folder in absent:
            with suppress(OSError):  # never created, or not empty
                folder.rmdir()


def warn_renamed(wanted: Path, written: Path) -> None:
    """Warn where a result was written under another name than asked for."""
    from ..utils.files import shown

    if written != wanted:
        warn(
            f"{shown(wanted)} was taken by another program meanwhile, and nothing is ever overwritten. Written instead: "
            f"{shown(written)}."
        )


def prepare_empty(*folders: Path) -> None:
    """Make the output folders, and say where a run that was killed is taken back. Raises as `prepare_folder`."""
    from ..selection.placement import prepare_folder
    from ..utils.files import shown

    for folder in folders:
        if count := prepare_folder(folder):
            pictures = "the picture" if count == 1 else f"the {count} pictures"
            warn(
                f"An earlier run was interrupted as it filled {shown(folder)}: {pictures} it had placed there were taken "
                "back, and this run begins anew."
            )
