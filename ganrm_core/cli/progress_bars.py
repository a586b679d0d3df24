"""Progress bars on standard error (tqdm)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..utils.progress import Progress, ProgressCallback, no_progress


@contextmanager
def bars() -> Iterator[ProgressCallback]:
    """A progress callback that draws one bar per stage; without tqdm, or once the stream fails, it draws none."""
    try:
        from tqdm import tqdm
    except Exception:
        yield no_progress
        return
    current: dict[str, Any] = {"stage": None, "bar": None}

    def show(progress: Progress) -> None:
        if progress.stage != current["stage"]:
            close()
            current["stage"] = progress.stage
            with suppress(OSError):  # such as a closed pipe
                current["bar"] = tqdm(desc=progress.stage, total=progress.total or None, file=sys.stderr)
        if (bar := current["bar"]) is not None:
            with suppress(OSError):
                bar.update(progress.done - bar.n)

    def close() -> None:
        bar, current["bar"] = current["bar"], None
        if bar is not None:
            with suppress(OSError):
                bar.close()

    try:
        yield show
    finally:
        close()
