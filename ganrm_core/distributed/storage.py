"""Folders on any filesystem: local paths, and URLs such as s3://bucket/folder through pyarrow or fsspec."""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from ..utils.errors import DataError, GanRMError, OutputError
from ..utils.files import atomic_file, shown
from ..utils.optional_imports import cannot_import

INSTALL = '"gan-rm[ray]"'

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # two letters or more: C:// is a drive
_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"
"""Besides letters, digits and `-._`; any other, such as a space, is escaped for pyarrow."""


def is_url(place: str) -> bool:
    return _URL.match(place) is not None


def pyarrow_module(name: str) -> Any:
    """`pyarrow`, or its part such as "fs". Raises GanRMError that says what to install."""
    import importlib

    try:
        return importlib.import_module(f"pyarrow.{name}" if name else "pyarrow")
    except Exception as error:
        raise GanRMError(cannot_import("--engine ray", "pyarrow", error, INSTALL)) from error


class Folder:
    """A folder of a filesystem, and the files below it by relative names with forward slashes.

    `place`: its URL, or its absolute path, since workers run in other folders. Cheap to pickle as that; each process
    opens its own connection. Raises DataError for a URL whose filesystem is not known here.
    """

    def __init__(self, place: str) -> None:
        self.is_local = not is_url(place)
        self.place = Path(place).absolute().as_posix() if self.is_local else place
        self.files: Any
        self._fsspec: Any = None
        fs = pyarrow_module("fs")
        if self.is_local:
            self.files, self.path = fs.LocalFileSystem(), self.place
        elif (known := _by_pyarrow(place, fs)) is not None:
            self.files, self.path = known
        else:
            self._fsspec, self.path = _by_fsspec(place)
            self.files = fs.PyFileSystem(fs.FSSpecHandler(self._fsspec))

    def __reduce__(self) -> tuple[type[Folder], tuple[str]]:
        return Folder, (self.place,)

    def path_of(self, name: str) -> str:
        """The path inside the filesystem."""
        return f"{self.path.rstrip('/')}/{name}" if name else self.path

    def url_of(self, name: str) -> str:
        """The path or URL by which users know the file."""
        return self.path_of(name) if self.is_local else f"{self.place.rstrip('/')}/{name}"

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError where there is none, and DataError where it cannot be read."""
        path = self.path_of(name)
        with self._reading(name):
            if self._fsspec is not None:
                # pyarrow's handler would take any fault for a file that is not there.
                return bytes(self._fsspec.cat_file(path))
            with self.files.open_input_stream(path) as stream:
                return bytes(stream.read())

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all, replacing one of that name. Raises OutputError."""
        path = self.path_of(name)
        with self._writing(name):
            self.files.create_dir(str(PurePosixPath(path).parent), recursive=True)
            if self.is_local:
                with atomic_file(Path(path), overwrite=True) as temporary:
                    temporary.write_bytes(content)
                return
            # Readers look for whole names only, so that a part left by a killed writer does no harm.
            part = str(PurePosixPath(path).parent / f".{secrets.token_hex(8)}.part")
            with self.files.open_output_stream(part) as stream:
                stream.write(content)
            self.files.move(part, path)

    def names(self, name: str = "") -> list[str]:
        """Names of what lies directly in a folder below; empty where there is no such folder. Raises DataError."""
        return [entry.base_name for entry in self.entries(name)]

    def entries(self, name: str = "") -> list[Any]:
        """pyarrow's `FileInfo` of what lies directly in a folder below, by name. Raises DataError."""
        fs = pyarrow_module("fs")
        self._look_anew()
        with self._reading(name):
            found = self.files.get_file_info(fs.FileSelector(self.path_of(name), allow_not_found=True))
        return sorted(found, key=lambda entry: entry.base_name)

    def exists(self, name: str = "") -> bool:
        """Raises DataError where the store does not say."""
        fs = pyarrow_module("fs")
        self._look_anew()
        with self._reading(name):
            return bool(self.files.get_file_info(self.path_of(name)).type != fs.FileType.NotFound)

    def remove_file(self, name: str) -> None:
        """Remove a file, if it is there. Raises OutputError."""
        with self._writing(name), suppress(FileNotFoundError):
            self.files.delete_file(self.path_of(name))

    def remove_folder(self, name: str) -> None:
        """Remove a folder below with all it holds, if it is there. Raises OutputError."""
        with self._writing(name):
            if self.exists(name):
                self.files.delete_dir(self.path_of(name))

    def _look_anew(self) -> None:
        """Forget what fsspec remembers of listings: other processes write here, too."""
        if self._fsspec is not None:
            self._fsspec.invalidate_cache()

    # fsspec's packages have errors of their own, which are no OSError.
    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            raise DataError(
                f"Cannot read {shown(self.url_of(name))}: {_line(error)}. Check its name and your access to it."
            ) from error

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except GanRMError:
            raise
        except Exception as error:
            raise OutputError(
                f"Cannot write {shown(self.url_of(name))}: {_line(error)}. Check the place and your access to it."
            ) from error


def check_visible(folder: str | Path) -> None:
    """Raise DataError where this worker does not see a local folder: all its pictures would be missing, one by one."""
    if not Path(folder).is_dir():
        raise DataError(
            f"The worker on {socket.gethostname()} does not see the folder {shown(folder)}. Put the pictures where every "
            "node of the cluster finds them under the same path, such as on a shared disk."
        )


def _by_pyarrow(url: str, fs: Any) -> tuple[Any, str] | None:
    """pyarrow's filesystem of a URL and the path inside; None for a scheme that it does not know."""
    arrow = pyarrow_module("")
    try:
        files, path = fs.FileSystem.from_uri(quote(url, safe=_URL_CHARACTERS))
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError):
        return None
    except OSError as error:
        raise DataError(
            f"Cannot reach {shown(url)}: {_line(error)}. Check its name and your access."
        ) from error
    return files, path


def _by_fsspec(url: str) -> tuple[Any, str]:
    """fsspec's filesystem of a URL and the path inside."""
    try:
        from fsspec.core import url_to_fs

        files, path = url_to_fs(url)
    except Exception as error:  # fsspec, or the package that it needs for this scheme, is absent or refuses
        raise DataError(
            f"Cannot reach {shown(url)}: {_line(error)}. Local paths, s3:// and gs:// need nothing more; for others "
            "install the package that fsspec names for them."
        ) from error
    return files, path


def _line(error: BaseException) -> str:
    """The first line of an error's message."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")
