"""Opening safetensors files under any path, also one that is not valid UTF-8."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def open_safetensors(path: Path) -> Iterator[Any]:
    """`safetensors.safe_open` for torch on the CPU: tensors are read one by one."""
    from safetensors import safe_open

    with readable_path(path) as name, safe_open(name, framework="pt") as file:
        yield file


@contextlib.contextmanager
def readable_path(path: Path) -> Iterator[str]:
    """A valid UTF-8 path of the file or folder `path`: itself, or a temporary symbolic link to it.

    safetensors and torch open no other paths; Linux allows them, such as names in Latin-1.
    """
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory(prefix="ganrm-") as folder:
            # The suffix stays, because readers choose the format by it.
            link = Path(folder) / f"file{path.suffix}".encode("ascii", "ignore").decode("ascii")
            link.symlink_to(Path(path).absolute())
            yield str(link)
    else:
        yield os.fspath(path)
