"""Captures warnings, log records and text on standard error that a user would see."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ganrm_core.cli.decoder_messages import silence_decoders


@contextmanager
def heard() -> Iterator[list[str]]:
    """A list that holds, after the block, a line for each output in spite of `silence_decoders`.

    Standard error is captured as a file descriptor, because C libraries write there directly.
    """
    said: list[str] = []
    log = logging.Handler(logging.WARNING)
    log.emit = lambda record: said.append(f"log: {record.getMessage()}")  # type: ignore[method-assign]
    root = logging.getLogger()
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        silence_decoders()
        root.addHandler(log)
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            root.removeHandler(log)
            file.seek(0)
            said += [f"warning: {entry.message}" for entry in caught]
            said += [
                f"standard error: {line}" for line in file.read().decode("utf-8", "replace").splitlines()
            ]
