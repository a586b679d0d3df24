"""What hostile workflows must neither read, show, change nor make: canary files beside ComfyUI's folder, and the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from host_support.drawn_pictures import fill_folder
from host_support.server import Server, link

SECRET = "canary-4f1d9c27"
"""In the content of every canary, and in the names of pictures: a workflow does not know it."""
_MINE = ("output", "temp", "user/__ganrm", "models/ganrm", "models/ganrm_datasets", "models/loras")
"""Where the pack may write."""
_SERVERS = ("server-", "user/comfyui", "custom_nodes", "tmp/torchinductor_")
"""What the server itself writes, and the packs, which are links to folders elsewhere."""
AUDIT_PACK = Path(__file__).resolve().parents[2] / "tests" / "host_support" / "audit_pack"
_OLD = 10**9


class OutsideWatch:
    """place: the parent of the server's base directory. Start it before the server."""

    def __init__(self, place: Path) -> None:
        self.outside = place / "outside"
        self._place, self._log = place, place / "audit.log"
        self._read = 0
        self._before: dict[str, tuple[int, ...]] = {}
        fill_folder(self.outside / "pictures", f"liked{SECRET}", 3)
        for name in ("prompts.txt", "prompts.csv"):
            (self.outside / name).write_text(f"prompt\n{SECRET}\n", encoding="utf-8")
        self._log.touch()
        os.environ |= {"AUDIT_ROOT": str(self.outside), "AUDIT_LOG": str(self._log)}

    def put_model(self, server: Server, model: str) -> None:
        """A model that would load, and links at names where the pack would write."""
        shutil.copyfile(server.folder("models", "ganrm", model), self.outside / "taste.safetensors")
        for name in (
            "output/hostile_00001_.png",
            "models/ganrm/hostile.safetensors",
            "models/loras/hostile.safetensors",
        ):
            (server.base / name).parent.mkdir(parents=True, exist_ok=True)
            link(self.outside / "not_here", server.base / name)

    def begin(self) -> None:
        """Everything as it is now is as it should be. AssertionError where the server does not watch itself."""
        assert "watching" in self._log.read_text(encoding="utf-8"), "the server did not load the audit pack"
        for path in self.outside.rglob("*"):
            os.utime(path, ns=(_OLD, path.stat().st_mtime_ns))
        self._before = self._state()
        self._read = self._log.stat().st_size

    def escapes(self, server: Server, told: str) -> list[str]:
        """What has happened since the last call that must not. told: all the server has said of the prompt."""
        found = [f"shown: {SECRET}"] if SECRET in told else []
        with self._log.open(encoding="utf-8", errors="replace") as log:
            log.seek(self._read)
            found += [f"touched: {line.strip()}" for line in log]
        now = self._state()
        found += [
            f"changed: {name}"
            for name in sorted({*now, *self._before})
            if now.get(name) != self._before.get(name)
        ]
        found += [f"led out: {name}" for name in self._links_out(server)]
        if found:
            self.begin()
        self._read = self._log.stat().st_size
        return found

    def _state(self) -> dict[str, tuple[int, ...]]:
        """Size, times and inode by path, of all that the pack may not write. Reading a canary changes its access time."""
        found: dict[str, tuple[int, ...]] = {}
        for folder, names, files in os.walk(self._place):
            below = Path(folder).relative_to(self._place)
            names[:] = [each for each in names if not _is_allowed(below / each)]
            for name in (*names, *files):
                path = Path(folder, name)
                if _is_allowed(below / name) or path == self._log:
                    continue
                about = path.lstat()
                read = about.st_atime_ns if below.parts[:1] == (self.outside.name,) and name in files else 0
                size = 0 if name in names else about.st_size
                found[str(below / name)] = (
                    size,
                    0 if name in names else about.st_mtime_ns,
                    about.st_ino,
                    read,
                )
        return found

    def _links_out(self, server: Server) -> Iterator[str]:
        homes = [server.folder(name).resolve() for name in ("input", "output", "models", "temp", "user")]
        for name in _MINE:
            for path in server.folder(*name.split("/")).rglob("*"):
                if path.is_symlink() and path.readlink() != self.outside / "not_here":
                    target = path.resolve()
                    if not any(target.is_relative_to(home) for home in homes):
                        yield str(path.relative_to(server.base))


def _is_allowed(path: Path) -> bool:
    below = path.as_posix().removeprefix("base/")
    return any(below == each or below.startswith(f"{each}/") for each in _MINE) or below.startswith(_SERVERS)
