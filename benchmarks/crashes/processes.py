"""Work in a forked process that shares what is imported already, to its end or to a SIGKILL at a given moment."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .watching import FileEvents

_HANGS_S = 900


class Journal:
    """Lines that a process writes about what it has done; they outlast its death."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def say(self, line: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{line}\n")

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


@dataclass(frozen=True)
class Moment:
    """When to kill: `seconds` after the `events`-th file event, or after the start if that is 0."""

    events: int
    seconds: float


@dataclass(frozen=True)
class Ended:
    """`code`: exit code, None for a process that was killed. `events`: how many there were. `said`: its output."""

    code: int | None
    events: int
    seconds: float
    said: str


def run(work: Callable[[], object], watched: Path, log: Path, moment: Moment | None = None) -> Ended:
    """Run `work` in a forked process, killed at `moment` if given. Its output, with any traceback, goes to `log`."""
    events = FileEvents(watched)
    started = time.monotonic()
    child = os.fork()
    if not child:
        _child(work, log)
    process = os.pidfd_open(child)
    try:
        seen, killed = _wait(process, events, moment, started)
        _, status = os.waitpid(child, 0)
        seen += events.read()
    finally:
        os.close(process)
        events.close()
    code = None if killed and os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
    return Ended(code, seen, time.monotonic() - started, log.read_text(errors="replace"))


def _child(work: Callable[[], object], log: Path) -> None:
    """Never returns."""
    code = 1
    with suppress(BaseException):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
        os.dup2(1, 2)
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _wait(process: int, events: FileEvents, moment: Moment | None, started: float) -> tuple[int, bool]:
    """Until the process has ended or was killed. How many events were seen, and whether it was killed."""
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.register(events.descriptor, select.POLLIN)
    seen = 0
    kill_at = started + moment.seconds if moment and not moment.events else None
    while True:
        left = (kill_at if kill_at is not None else started + _HANGS_S) - time.monotonic()
        if left <= 0:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            if kill_at is None:
                raise TimeoutError(f"the work did not end within {_HANGS_S} s")
            return seen, True
        # Milliseconds: the last one is waited for without sleeping.
        ready = dict(poll.poll(int(left * 1000)))
        if process in ready:
            return seen, False
        seen += events.read()
        if moment and moment.events and kill_at is None and seen >= moment.events:
            kill_at = time.monotonic() + moment.seconds
