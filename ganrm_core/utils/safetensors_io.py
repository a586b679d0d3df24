"""safetensors files under any path, bytes that are no valid text included."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def open_safetensors(path: Path) -> Iterator[Any]:
    """What `safetensors.safe_open` gives for torch: tensors read one by one, on the CPU."""
    from safetensors import safe_open

    with readable_path(path) as name, safe_open(name, framework="pt") as file:
        yield file


@contextlib.contextmanager
def readable_path(path: Path) -> Iterator[str]:
    """A name for `path`, a file or folder, by which torch can open it: UTF-8 only.

    Where its own name is none (such as one in Latin-1, on Linux), a link in a temporary folder stands for it.
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
