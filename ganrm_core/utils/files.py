"""Atomic file output: complete or absent, never overwriting, with advice where the disk refuses."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from .error_text import printable
from .errors import NameTakenError, OutputError
from .file_names import fits, fitting_name, numbers, split_name, unique_name
from .partial_files import create, is_partial, partial_file, remove_abandoned

# Raised by file systems without hard links: another disk, exFAT, network shares, phones.
_NO_HARD_LINK = {
    errno.EXDEV,
    errno.EPERM,
    errno.EACCES,
    errno.EMLINK,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.ENOTSUP,
    errno.EINVAL,
}

_CAUSE_AND_ADVICE = {
    errno.ENOSPC: ("the disk is full", "Free some space, or choose a folder on another disk"),
    errno.EDQUOT: ("your disk quota is used up", "Free some space, or choose a folder on another disk"),
    errno.EFBIG: ("the disk cannot hold a file this big", "Choose a folder on another disk"),
    errno.EROFS: ("the disk is read-only", "Choose a folder on a disk that can be written"),
    errno.EACCES: (
        "you have no permission to write there",
        "Change the folder's permissions, or choose another folder",
    ),
    errno.EPERM: ("the system does not allow writing there", "Choose another folder"),
    errno.ENAMETOOLONG: ("the name is too long for this disk", "Choose a shorter name"),
    errno.ENOTDIR: (
        "part of the path is a file, not a folder",
        "Choose a folder, or move that file out of the way",
    ),
    errno.ENOENT: ("its folder does not exist", "Create the folder, or choose another one"),
}
# Always mean "cannot write"; other errors only if they name the file that is written.
_ALWAYS_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_tidied: set[str] = set()
"""Folders that this process has freed of partial files."""


def shown(path: str | os.PathLike[str]) -> str:
    """The path in quotes for a message, on one line: control characters and invalid text are escaped."""
    return f'"{printable(os.fspath(path))}"'


def is_file(path: Path) -> bool:
    """`Path.is_file`, but False for a name the system rejects, such as one that is too long."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_there(path: Path) -> bool:
    """`Path.exists`, but False for a name the system rejects, such as one that is too long."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def expand_home(name: str) -> Path:
    """The path with ~ expanded, unchanged for a user without a home folder."""
    path = Path(name)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def check_new_file(path: Path, *, what: str, make_folders: bool = False) -> None:
    """Check before long work that the new file `path` can be written; raise OutputError if not.

    `what` names the result in the message ("the reward model"). `make_folders` creates missing parent folders.
    """
    if os.path.lexists(path):
        kind = "a folder" if path.is_dir() else "a file"
        raise OutputError(
            f"Cannot write {what} to {shown(path)}: {kind} of that name already exists and is never "
            "overwritten. Choose another name, or move the existing one away."
        )
    folder = path.parent
    if make_folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise _write_error(folder, OSError(errno.ENOTDIR, str(error)), what) from error
        except OSError as error:
            raise _write_error(folder, error, what) from error
    if not folder.is_dir():
        reason = errno.ENOTDIR if os.path.lexists(folder) else errno.ENOENT
        raise _write_error(path, OSError(reason, os.strerror(reason)), what)
    if not fits(path):  # the probe has a shorter name
        raise _write_error(path, OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG)), what)
    # Only an attempt tells for root, network shares and every system.
    try:
        with partial_file(path):
            pass
    except OSError as error:
        raise _write_error(path, error, what) from error


@contextlib.contextmanager
def atomic_file(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Context manager: yields a temporary file to write, and publishes it as `path` on exit.

    The temporary file has the same folder and suffix, and is synced to disk first; what a killed process left of its
    own there is removed. An existing file is replaced only with `overwrite`, never one that appeared meanwhile. On any
    exception (Ctrl-C too) the temporary file is removed and `path` unchanged. Raises OutputError for a full or read-only
    disk or missing permission, NameTakenError where `path` exists; other exceptions of the body pass through.
    """
    path = Path(path)
    _tidy(path.parent)
    try:
        with partial_file(path) as temporary:
            yield temporary
            _sync(temporary)
            if overwrite:
                temporary.replace(path)
            else:
                _publish(temporary, path)
            _sync_folder(path.parent)
    except OSError as error:
        if _is_write_error(error, path):
            raise _write_error(path, error) from error
        raise


def _tidy(folder: Path) -> None:
    """Once in each process: what a killed one left is of no use to anybody."""
    if (name := os.path.abspath(folder)) not in _tidied:  # noqa: PTH100 - resolves no links
        _tidied.add(name)
        remove_abandoned(folder)


def write_new(files: Callable[[str], Mapping[Path, bytes]]) -> list[Path]:
    """Write a set of new files under one number, also while other programs write. Returns the paths.

    `files` maps a number, "", " (2)", " (3)" …, to paths and contents; the first number for which every path is free
    is used. Raises OutputError as `atomic_file` does, with the files already written.
    """
    for number in numbers():
        contents = files(number)
        if any(os.path.lexists(path) for path in contents):
            continue
        with contextlib.suppress(NameTakenError):
            return _write_together(contents)
    raise AssertionError("there is always another number")


def write_new_file(path: Path, content: bytes) -> Path:
    """Write `content` to `path`, or where that exists to the first free `path (2)` …; returns the path."""
    stem, suffix = split_name(path.name)
    return write_new(
        lambda number: {path.with_name(fitting_name(path.parent, stem, f"{number}{suffix}")): content}
    )[0]


def free_name(folder: Path, name: str) -> Path:
    """`folder / name`, or the first free of `name (2)`, `name (3)` …; see `unique_name`.

    Another program may take it meanwhile: `atomic_file` then raises, `write_new` takes the next.
    """
    if name in ("", ".", "..") or Path(name).name != name:
        raise OutputError(f"{shown(name)} is not a plain file name. Give a name without folders.")
    return folder / unique_name(folder, name, lambda candidate: os.path.lexists(folder / candidate))


def _write_together(contents: Mapping[Path, bytes]) -> list[Path]:
    written: list[Path] = []
    try:
        for path, content in contents.items():
            with atomic_file(path) as temporary:
                temporary.write_bytes(content)
            written.append(path)
    except NameTakenError:
        # The whole set goes under the next number.
        for path in written:
            path.unlink(missing_ok=True)
        raise
    except OutputError as error:
        done = f" Written already: {', '.join(map(shown, written))}." if written else ""
        raise OutputError(f"{error}{done}") from error
    return written


def _publish(temporary: Path, path: Path) -> None:
    if hard_link(temporary, path):
        return
    # Without hard links: create an empty file (fails if it exists), then replace it.
    try:
        create(path)
    except FileExistsError as error:
        raise name_taken_error(path) from error
    try:
        temporary.replace(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def hard_link(source: Path, target: Path) -> bool:
    """Create a hard link; False where the disk has none. Raises NameTakenError where `target` exists."""
    try:
        os.link(source, target)
    except FileExistsError as error:
        raise name_taken_error(target) from error
    except (AttributeError, NotImplementedError):
        return False
    except OSError as error:
        if error.errno in _NO_HARD_LINK:
            return False
        raise _write_error(target, error) from error
    return True


def _sync(path: Path) -> None:
    # Windows flushes only files opened for writing.
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    # Makes the file's name durable. Windows and some shares cannot; its content is durable anyway.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_write_error(error: OSError, path: Path) -> bool:
    if error.errno in _ALWAYS_WRITING:
        return True
    named = [Path(name) for name in (error.filename, error.filename2) if isinstance(name, str | Path)]
    return any(name == path or (name.parent == path.parent and is_partial(name)) for name in named)


def name_taken_error(path: Path) -> NameTakenError:
    return NameTakenError(
        f"{shown(path)} already exists and is never overwritten. Choose another name, or move the "
        "existing file away."
    )


def _write_error(path: Path, error: OSError, what: str = "the file") -> OutputError:
    reason, advice = _CAUSE_AND_ADVICE.get(
        error.errno or 0, (error.strerror or str(error), "Choose another folder and try again")
    )
    return OutputError(f"Cannot write {what} to {shown(path)}: {reason}. {advice}.")
