"""Replaces missing or closed standard streams (pythonw, services, `>&-`) by the null device."""

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
    """Inside, a standard output or standard error that is None or closed is the null device.

    Otherwise `print` raises, or prints messages to standard output, which is what `file=None` means.
    """
    _fill_descriptors()
    with ExitStack() as stack:
        for stream, redirected in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
            if not _is_usable(stream):
                nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
                stack.enter_context(redirected(nowhere))
        yield


def _fill_descriptors() -> None:
    """Open the null device under closed descriptors 0 to 2, else a file opened next receives what C code prints."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor


def _is_usable(stream: Any) -> bool:
    if stream is None or getattr(stream, "closed", False):
        return False
    try:
        os.fstat(stream.fileno())
    except (AttributeError, io.UnsupportedOperation):  # not backed by a file, such as in a notebook
        return True
    except OSError:
        return False
    return True
