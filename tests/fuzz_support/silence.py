"""Notices whatever reaches the user by the side door: warnings, log records, and text on standard error."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ganrm_core.cli.decoder_messages import silence_decoders


@contextmanager
def heard() -> Iterator[list[str]]:
    """A list that holds, after the block, a line for each thing that was said in spite of `silence_decoders`.

    Standard error is watched as a file descriptor, because C libraries write there without Python's knowledge.
    """
    said: list[str] = []
    records = _Records()
    root = logging.getLogger()
    with _standard_error() as written, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        silence_decoders()
        root.addHandler(records)
        try:
            yield said
        finally:
            root.removeHandler(records)
            said += [f"warning: {entry.message}" for entry in caught]
            said += [f"log: {line}" for line in records.lines]
            said += [f"standard error: {line}" for line in written()]


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _standard_error() -> Iterator[Callable[[], list[str]]]:
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)

        def written() -> list[str]:
            sys.stderr.flush()
            file.seek(0)
            return file.read().decode("utf-8", "backslashreplace").splitlines()

        try:
            yield written
        finally:
            os.dup2(kept, 2)
            os.close(kept)
