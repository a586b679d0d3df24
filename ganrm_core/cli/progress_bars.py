"""Progress bars on standard error (tqdm), and a log line per finished stage."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..utils.logs import logger_of
from ..utils.progress import Progress, ProgressCallback

_log = logger_of(__name__)


@contextmanager
def bars() -> Iterator[ProgressCallback]:
    """A progress callback that draws one bar per stage and logs its duration."""
    drawn = _Bars()
    try:
        yield drawn.show
    finally:
        drawn.close()


class _Bars:
    """The bar of the current stage. Without tqdm, or where standard error cannot be written, none is drawn."""

    def __init__(self) -> None:
        self._current: Progress | None = None
        self._bar: Any = None
        self._start = 0.0

    def show(self, progress: Progress) -> None:
        if self._current is None or progress.stage != self._current.stage:
            self.close()
            self._start = time.perf_counter()
            self._bar = _new_bar(progress)
        self._current = progress
        if self._bar is not None:
            with suppress(OSError):
                self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            with suppress(OSError):
                bar.close()
        if (last := self._current) is not None:
            seconds = time.perf_counter() - self._start
            _log.info("%s: %d of %d in %.1f s", last.stage, last.done, last.total, seconds)
            self._current = None


def _new_bar(progress: Progress) -> Any:
    try:
        from tqdm import tqdm
    except Exception:
        return None
    with suppress(OSError):  # such as a closed pipe
        return tqdm(desc=progress.stage, total=progress.total or None, file=sys.stderr)
    return None
