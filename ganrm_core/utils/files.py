"""Writing results so that nothing is ever lost, overwritten by accident or left half done."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal

from .error_text import printable
from .errors import NameTakenError, OutputError, SourceError
from .file_hash import file_sha256
from .file_names import fits, fitting_name, numbers, split_name, unique_name

PlaceMode = Literal["copy", "move", "link"]

_CHUNK = 1 << 20

# A folder on another disk, a USB stick (exFAT), a network share or a phone knows no hard links.
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

_WHY = {
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
# Errors that mean "cannot write" wherever they come from; the others only if they name our file.
_ALWAYS_OURS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


def shown(path: str | os.PathLike[str]) -> str:
    """The path in quotes, fit for a message.

    Line breaks and other control characters, and bytes that are no valid text, are escaped, so that
    a message stays on one line and printing it never fails.
    """
    return f'"{printable(os.fspath(path))}"'


def is_file(path: Path) -> bool:
    """Whether there is a file; False, too, for a name that the system does not take, such as one too long."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def at_home(name: str) -> Path:
    """The path with ~ for the user's own folder; as it is for a user without one."""
    path = Path(name)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def check_new_file(path: Path, *, what: str, make_folders: bool = False) -> None:
    """Raise `OutputError` now if writing the new file `path` would fail later.

    Call it before long work. `what` names the result in the message ("the reward model").
    With `make_folders`, missing parent folders are created instead of reported.
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
            raise _failure(folder, OSError(errno.ENOTDIR, str(error)), what) from error
        except OSError as error:
            raise _failure(folder, error, what) from error
    if not folder.is_dir():
        reason = errno.ENOTDIR if os.path.lexists(folder) else errno.ENOENT
        raise _failure(path, OSError(reason, os.strerror(reason)), what)
    if not fits(path):  # the probe's own name is short
        raise _failure(path, OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG)), what)
    # Trying is the only answer that holds for root, for network shares and on every system.
    probe = _temporary_name(path)
    try:
        _create(probe)
    except OSError as error:
        raise _failure(path, error, what) from error
    probe.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_file(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Write to the temporary file this yields; `path` appears complete, or not at all.

    The temporary file lies in the same folder and has the same suffix. On leaving, it is synced to
    disk and published under `path`. An existing file is never replaced unless `overwrite`, not even
    one that appeared meanwhile. On any exception (Ctrl-C too) the temporary file is removed and
    `path` is as it was. Raises `OutputError` for a full or read-only disk or missing permission, and
    `NameTakenError` for a file that is in the way; other exceptions of the body pass through untouched.
    """
    path = Path(path)
    temporary = _temporary_name(path)
    try:
        # Inside the try, so that Ctrl-C right after the file came to be leaves nothing behind.
        _create(temporary)
        yield temporary
        _sync(temporary)
        if overwrite:
            temporary.replace(path)
        else:
            _publish(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        if _is_about(error, temporary, path):
            raise _failure(path, error) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_new(files: Callable[[str], Mapping[Path, bytes]]) -> list[Path]:
    """Write files that belong together under new names, whatever other programs write meanwhile. Returns the paths.

    `files` gives path and content of each for a number to put into the names: "" at first, then " (2)", " (3)" …
    until every path is free. The paths must differ with the number. Raises OutputError as `atomic_file` does, which
    says what was written before.
    """
    for number in numbers():
        contents = files(number)
        if any(os.path.lexists(path) for path in contents):
            continue
        with contextlib.suppress(NameTakenError):
            return _write_together(contents)
    raise AssertionError("there is always another number")


def write_new_file(path: Path, content: bytes) -> Path:
    """Write `content` to `path`, or where that is taken to the first free `path (2)` …; returns which."""
    stem, suffix = split_name(path.name)
    return write_new(
        lambda number: {path.with_name(fitting_name(path.parent, stem, f"{number}{suffix}")): content}
    )[0]


def place(source: Path, target: Path, mode: PlaceMode) -> None:
    """Bring `source` to the new name `target`, which must not exist yet.

    copy: content, date and permissions. move: the source is removed only after its content is known
    to be complete under the new name. link: a hard link (no space, survives moving the source);
    where the disk cannot do that, a symbolic link to the source's absolute path.
    A source that is itself a symbolic link stands for the file it points to; moving removes only the
    link. Raises `SourceError` where it is the source that cannot be placed, `OutputError` where nothing can be
    placed there; whatever happens, the content is never lost.
    """
    if mode not in ("copy", "move", "link"):
        raise ValueError(f"mode is copy, move or link, not {mode!r}")
    try:
        real = source.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # the latter for a link that leads back to itself
        raise SourceError(
            f"Cannot {mode} {shown(source)}: it is no longer there. Refresh the list of files and try again.",
            "it is no longer there",
        ) from error
    if not real.is_file():
        raise SourceError(
            f"Cannot {mode} {shown(source)}: it is not a file. Choose a picture file.", "it is not a file"
        )
    if os.path.lexists(target):
        raise _in_the_way(target)
    if mode == "copy":
        _copy(real, target)
    elif mode == "link":
        _link(real, target)
    else:
        if source.is_symlink() or not _hard_link(real, target):
            _copy(real, target)
        _remove_moved(source, target)


def free_name(folder: Path, name: str) -> Path:
    """`folder / name`, or the first free of `name (2)`, `name (3)`… with the suffix kept; see `unique_name`.

    A suggestion only: another program may take the name meanwhile, which `atomic_file` notices and
    `write_new` gets around.
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
        # Of a set that goes under the next number, nothing stays under this one.
        for path in written:
            path.unlink(missing_ok=True)
        raise
    except OutputError as error:
        done = f" Written already: {', '.join(map(shown, written))}." if written else ""
        raise OutputError(f"{error}{done}") from error
    return written


def _temporary_name(path: Path) -> Path:
    # Hidden, so that folder readers skip it; the suffix stays, because writers choose the format by it.
    return path.with_name(f".{secrets.token_hex(8)}.part{split_name(path.name)[1]}")


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))


def _publish(temporary: Path, path: Path) -> None:
    if _hard_link(temporary, path):
        return
    # No hard links here: reserve the name (fails if taken), then move over our own empty reservation.
    try:
        _create(path)
    except FileExistsError as error:
        raise _in_the_way(path) from error
    try:
        temporary.replace(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _hard_link(source: Path, target: Path) -> bool:
    """False where hard links are impossible; OutputError where the target exists."""
    try:
        os.link(source, target)
    except FileExistsError as error:
        raise _in_the_way(target) from error
    except (AttributeError, NotImplementedError):
        return False
    except OSError as error:
        if error.errno in _NO_HARD_LINK:
            return False
        raise _failure(target, error) from error
    return True


def _link(source: Path, target: Path) -> None:
    if _hard_link(source, target):
        return
    try:
        target.symlink_to(source)
    except FileExistsError as error:
        raise _in_the_way(target) from error
    except (OSError, NotImplementedError) as error:
        raise OutputError(
            f"Cannot link {shown(source)} to {shown(target)}: this disk or system allows neither hard "
            "nor symbolic links there. Choose copy instead of link."
        ) from error


def _copy(source: Path, target: Path) -> None:
    """Copy, and read back what was written before it is published."""
    with atomic_file(target) as temporary:
        digest = hashlib.sha256()
        with _reader(source) as reader, temporary.open("wb") as writer:
            for block in _blocks(reader, source):
                digest.update(block)
                writer.write(block)
            writer.flush()
            os.fsync(writer.fileno())
            complete = os.fstat(reader.fileno()).st_size == os.fstat(writer.fileno()).st_size
        if not complete or digest.hexdigest() != file_sha256(temporary):
            raise SourceError(
                f"The copy of {shown(source)} in {shown(target.parent)} does not match the original, "
                "which is untouched. Check that no program is writing to it and that the disk is "
                "healthy, then try again.",
                "its copy does not match it",
            )
        with contextlib.suppress(OSError):  # some disks keep no dates or permissions
            shutil.copystat(source, temporary)


def _reader(source: Path) -> BinaryIO:
    try:
        return source.open("rb")
    except OSError as error:
        raise _unreadable(source, error) from error


def _blocks(reader: BinaryIO, source: Path) -> Iterator[bytes]:
    try:
        while block := reader.read(_CHUNK):
            yield block
    except OSError as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: OSError) -> SourceError:
    why = error.strerror or str(error)
    return SourceError(
        f"Cannot read {shown(source)}: {why}. Check the file and its permissions.",
        f"it cannot be read: {why}",
    )


def _remove_moved(source: Path, target: Path) -> None:
    try:
        source.unlink()
    except OSError as error:
        why = error.strerror or str(error)
        raise SourceError(
            f"{shown(source)} is now also at {shown(target)}, but the original could not be removed: "
            f"{why}. Remove one of the two by hand.",
            f"it was copied, but the original could not be removed: {why}",
        ) from error


def _sync(path: Path) -> None:
    # Opened for writing: Windows flushes no file that is open for reading only.
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    # Makes the name itself survive a power cut. Windows and some shares cannot; the file is whole anyway.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_about(error: OSError, temporary: Path, path: Path) -> bool:
    if error.errno in _ALWAYS_OURS:
        return True
    named = {os.fspath(name) for name in (error.filename, error.filename2) if isinstance(name, str | Path)}
    return bool(named & {os.fspath(temporary), os.fspath(path)})


def _in_the_way(path: Path) -> NameTakenError:
    return NameTakenError(
        f"{shown(path)} already exists and is never overwritten. Choose another name, or move the "
        "existing file away."
    )


def _failure(path: Path, error: OSError, what: str = "the file") -> OutputError:
    reason, advice = _WHY.get(
        error.errno or 0, (error.strerror or str(error), "Choose another folder and try again")
    )
    return OutputError(f"Cannot write {what} to {shown(path)}: {reason}. {advice}.")
