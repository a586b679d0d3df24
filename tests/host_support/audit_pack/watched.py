"""Audit hook: what this process opens, lists, changes or starts where it has no business."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

_FILES = ("open", "os.", "shutil.", "sqlite3.connect", "glob.glob", "tempfile.", "pathlib.Path.")
_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.startfile")
_LOCAL = ("127.", "::1", "localhost", "0.0.0.0")


def watch(root: str, report: Callable[[str], object]) -> Callable[[], None]:
    """Report events on paths below `root`, processes named on its paths, and connections to other machines.

    Returns what ends it: Python keeps audit hooks for ever, but this one then does nothing. Only Python's own calls are
    seen; what native code opens is not.
    """
    home = _absolute(root)
    inside = threading.local()
    on = [True]

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if not on[0] or getattr(inside, "busy", False):
            return
        inside.busy = True
        try:
            if event in ("socket.connect", "socket.getaddrinfo"):
                where = str(
                    args[1][0] if event == "socket.connect" and isinstance(args[1], tuple) else args[0]
                )
                if event == "socket.connect" and not where.startswith(_LOCAL):
                    report(f"{event} {where}")
            elif event.startswith(_STARTS):
                if home in repr(args):
                    report(f"{event} {args!r}")
            elif event.startswith(_FILES):
                for path in args:
                    if _below(path, home):
                        report(f"{event} {path!r}")
        finally:
            inside.busy = False

    sys.addaudithook(hook)

    def end() -> None:
        on[0] = False

    return end


def _below(path: object, home: str) -> bool:
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    text = os.fsdecode(path)
    if "\0" in text:
        return False  # the system refuses it
    whole = _absolute(text)
    return whole == home or whole.startswith(home + os.sep)


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - without a look at the disk, which would be an event of its own
