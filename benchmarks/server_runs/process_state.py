"""What a server process holds: memory, threads, open files, and files on disk by folder. Linux only (/proc)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from host_support.server import Server

from .served import TEMPORARY

CAPS = {
    "user/__ganrm/features.sqlite": (2 * 10**9, None),
    "user/__ganrm/training": (512 * 10**6, 50),
    "user/__ganrm/groups": (4 * 10**9, None),
    "user/__ganrm/loras": (2 * 10**9, None),
    "user/__ganrm/rounds": (8 * 10**9, None),
    "temp/ganrm/shown": (2 * 10**9, None),
}
"""Each of the pack's stores: at most so many bytes and files."""

_TORCHS = "torchinductor_"
"""Torch makes its folder as soon as it is asked for."""


@dataclass(frozen=True)
class State:
    """What is held after `prompts` of them.

    resident_mb: anonymous resident memory, so without mapped files. heap_mb: what is in use of it on the C heap. blocks:
    pieces in use of Python's own allocator. objects: those that Python's garbage collector knows, by class. stray: files
    left over.
    """

    prompts: int
    resident_mb: float
    heap_mb: float
    blocks: int
    objects: Counter[str]
    threads: Counter[str]
    handles: Counter[str]
    stray: tuple[str, ...]
    stores: dict[str, tuple[int, int]]

    @property
    def in_use_mb(self) -> float:
        """The C heap's part, and at most what the blocks hold: the largest of Python's have 512 bytes."""
        return self.heap_mb + self.blocks * 512 / 2**20


def state(server: Server, prompts: int) -> State:
    """The state of a server that runs nothing, once it has freed what it can."""
    with server.client() as client:
        held = client.post("/probe/memory", {})
    process = Path("/proc", str(server.pid))
    status = (process / "status").read_text()
    return State(
        prompts,
        _kilobytes(status, "RssAnon") / 1024,
        held["heap"] / 2**20,
        held["blocks"],
        Counter(held["objects"]),
        Counter(_read(task / "comm").strip() for task in (process / "task").iterdir()),
        Counter(_handles(process / "fd")),
        tuple(_stray(server)),
        {name: _size(server.folder(*name.split("/"))) for name in CAPS},
    )


def over_cap(name: str, size: tuple[int, int]) -> bool:
    """size: bytes and files."""
    most_bytes, most_files = CAPS[name]
    return size[0] > most_bytes or (most_files is not None and size[1] > most_files)


def _kilobytes(status: str, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found, f"this system does not tell {field} of a process"
    return int(found[1])


def _handles(folder: Path) -> Iterator[str]:
    for handle in folder.iterdir():
        try:
            target = str(handle.readlink())
        except OSError:  # closed meanwhile
            continue
        yield re.sub(r"\[\d+\]", "", target)  # numbers of sockets and pipes


def _stray(server: Server) -> Iterator[str]:
    """Temporary files of the process, and partial ones anywhere that it writes to."""
    for path in server.folder(TEMPORARY).rglob("*"):
        if not any(part.startswith(_TORCHS) for part in path.parts):
            yield str(path.relative_to(server.base))
    for name in ("input", "output", "temp", "user", "models"):
        for path in server.folder(name).rglob("*.part*"):
            yield str(path.relative_to(server.base))


def _size(path: Path) -> tuple[int, int]:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files), len(files)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the thread has ended
        return "ended"
