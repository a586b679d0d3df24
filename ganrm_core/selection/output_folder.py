"""Output folders of a selection: free names, and folders that appear complete or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..utils.errors import OutputError
from ..utils.file_names import fitting_name, numbers
from ..utils.files import check_new_file, is_there, shown


def free_folder(wanted: Path) -> Path:
    """`wanted`, or the first of `wanted (2)`, `wanted (3)` … that is absent or an empty folder."""
    candidates = (
        wanted.with_name(fitting_name(wanted.parent, wanted.name, number)) if number else wanted
        for number in numbers()
    )
    return next(path for path in candidates if _is_free(path))


def check_folder(output: Path) -> None:
    """Raise OutputError if the folder `output` could not be made. Leaves nothing behind."""
    existing = next(path for path in (output, *output.parents) if is_there(path))
    check_new_file(existing / output.name, what="the best pictures")


@dataclass
class NewFolder:
    """`staging` is to be filled, then renamed to `target`, which is final only then."""

    staging: Path
    target: Path


@contextlib.contextmanager
def whole_folder(output: Path) -> Iterator[NewFolder]:
    """A hidden folder to fill; on leaving it is renamed to `output`, which is absent or empty.

    If another program filled `output` meanwhile, it becomes the first free `output (2)` … instead. On an exception
    it is removed, with the folders above that were made for it.
    """
    absent = [path for path in output.parents if not is_there(path)]
    folder = NewFolder(output.with_name(f".{secrets.token_hex(8)}.part"), output)
    done = False
    try:
        try:
            folder.staging.mkdir(parents=True)
        except OSError as error:
            raise _cannot_be_made(output, error) from error
        yield folder
        while not _renamed(folder.staging, folder.target):
            folder.target = free_folder(output)
        done = True
    finally:
        if not done:
            shutil.rmtree(folder.staging, ignore_errors=True)
            for path in absent:
                with contextlib.suppress(OSError):
                    path.rmdir()


def _renamed(staging: Path, target: Path) -> bool:
    """Rename the folder; False where `target` is taken."""
    try:
        if target.is_dir():
            target.rmdir()  # Windows does not rename onto a folder, not even an empty one
        staging.rename(target)
    except OSError as error:
        if _is_free(target):
            raise _cannot_be_made(target, error) from error
        return False
    return True


def _is_free(folder: Path) -> bool:
    if not os.path.lexists(folder):
        return True
    try:
        return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())
    except OSError:
        return False


def _cannot_be_made(output: Path, error: OSError) -> OutputError:
    return OutputError(f"The folder {shown(output)} cannot be made ({error.strerror}). Choose another.")
