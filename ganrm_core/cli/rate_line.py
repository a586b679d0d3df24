"""Progress line on standard error with files per second and the time left, also for logs of a cluster."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ..utils.progress import Progress, ProgressCallback
from ..utils.time_left import time_left_words

_EVERY_S, _EVERY_S_IN_LOGS = 1.0, 60.0
_LISTING = "listing"  # counts folders and prefixes, which say little about time


@contextmanager
def rate_line() -> Iterator[ProgressCallback]:
    """A progress callback that keeps one line up to date on a terminal, and prints one a minute elsewhere."""
    line = RateLine()
    try:
        yield line.show
    finally:
        line.close()


class RateLine:
    """Counts from the first report of a stage on: what an earlier run did is no speed of this one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage, self._start, self._done_at_start = "", 0.0, 0
        self._shown_at = -_EVERY_S_IN_LOGS
        self._open = False

    def show(self, progress: Progress) -> None:
        now = self._clock()
        if progress.stage != self._stage:
            self._stage, self._start, self._done_at_start = progress.stage, now, progress.done
            self._shown_at = -_EVERY_S_IN_LOGS + now
        with suppress(OSError):
            terminal = sys.stderr.isatty()
            every = _EVERY_S if terminal else _EVERY_S_IN_LOGS
            if now - self._shown_at >= every or progress.done == progress.total:
                self._shown_at = now
                text = self.text(progress, now)
                print(
                    f"\r\x1b[K{text}" if terminal else text,
                    end="" if terminal else "\n",
                    file=sys.stderr,
                    flush=True,
                )
                self._open = terminal

    def text(self, progress: Progress, now: float) -> str:
        """Such as `scoring: 12,000 of 50,000 (24 %), 85.1 files/s, about 7 min left, 3 without a score`."""
        done, total = progress.done, progress.total
        parts = [f"{progress.stage}: {done:,} of {total:,} ({100 * done // max(total, 1)} %)"]
        seconds, new = now - self._start, done - self._done_at_start
        if seconds > 0 and new > 0 and progress.stage != _LISTING:
            parts.append(f"{new / seconds:.1f} files/s")
            parts.append(time_left_words((total - done) * seconds / new))
        if errors := int(progress.metrics.get("errors", 0)):
            parts.append(f"{errors:,} without a score")
        return ", ".join(filter(None, parts))

    def close(self) -> None:
        if self._open:
            with suppress(OSError):
                print(file=sys.stderr)
        self._open = False
