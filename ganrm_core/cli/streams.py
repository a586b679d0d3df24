"""Standard streams that may be missing: pythonw, services and `>&-` start a program without them."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any


@contextmanager
def usable_streams() -> Iterator[None]:
    """Inside, what is printed to a standard output or standard error that is None or closed goes nowhere.

    Without it `print` raises, or prints messages where results belong: `file=None` means standard output.
    """
    _fill_descriptors()
    with ExitStack() as stack:
        for stream, redirected in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
            if not _is_usable(stream):
                nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
                stack.enter_context(redirected(nowhere))
        yield


def _fill_descriptors() -> None:
    """Take the numbers of closed standard streams, or the next file opened gets them, and what C code prints."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest number that is free


def _is_usable(stream: Any) -> bool:
    if stream is None or getattr(stream, "closed", False):
        return False
    try:
        os.fstat(stream.fileno())
    except (AttributeError, io.UnsupportedOperation):  # no file at all, such as in a notebook
        return True
    except OSError:
        return False
    return True
