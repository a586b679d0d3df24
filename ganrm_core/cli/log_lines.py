"""The library's log on standard error: warnings, and with `--verbose` what is done and when."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..utils import logs

_WARNING_FORMAT = "WARNING:root:%(message)s"  # Python's default for warnings, which scripts may look for


@contextmanager
def log_lines(*, verbose: bool) -> Iterator[None]:
    """Inside, print the library's log to standard error: from INFO on if `verbose`, else warnings only."""
    logger = logging.getLogger(logs.ROOT)
    if not verbose and logging.getLogger().handlers:  # a host that has set up logging prints warnings itself
        yield
        return
    handler, level = _StandardError(), logger.level
    handler.setFormatter(_TimedLine() if verbose else logging.Formatter(_WARNING_FORMAT))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _TimedLine(logging.Formatter):
    """`  1.23 s  training.trainer: message`, with the seconds since the formatter was made."""

    def __init__(self) -> None:
        super().__init__()
        self._start = time.time()

    def format(self, record: logging.LogRecord) -> str:
        name = record.name.removeprefix(f"{logs.ROOT}.")
        return f"{record.created - self._start:7.2f} s  {name}: {record.getMessage()}"


class _StandardError(logging.Handler):
    """Writes to the current `sys.stderr`, above progress bars; never fails over a closed stream."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            if tqdm := getattr(sys.modules.get("tqdm"), "tqdm", None):
                tqdm.write(self.format(record), file=sys.stderr)
            else:
                print(self.format(record), file=sys.stderr)
