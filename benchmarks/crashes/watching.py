"""File events below a folder (inotify), by which a process is killed while it writes. Linux only."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

_MODIFY, _MOVED, _CREATE, _DELETE = 0x2, 0xC0, 0x100, 0x200
_CHANGES = _MODIFY | _MOVED | _CREATE | _DELETE
_IS_FOLDER, _NON_BLOCKING = 0x40000000, os.O_NONBLOCK
_HEAD = struct.Struct("iIII")  # watch, mask, cookie, length of the name; see inotify(7)
_BUFFER = 1 << 16


class FileEvents:
    """Counts what changes in a folder and in those below it, also in new ones. `descriptor` can be polled."""

    def __init__(self, folder: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._libc.inotify_init1(_NON_BLOCKING)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1 failed")
        self._folders: dict[int, Path] = {}
        for path in (folder, *(each for each in folder.rglob("*") if each.is_dir())):
            self._watch(path)

    def read(self) -> int:
        """How many events came since the last call; 0 if none."""
        try:
            content = os.read(self.descriptor, _BUFFER)
        except BlockingIOError:
            return 0
        count = position = 0
        while position < len(content):
            watch, mask, _, length = _HEAD.unpack_from(content, position)
            name = content[position + _HEAD.size : position + _HEAD.size + length].rstrip(b"\0")
            if mask & _CREATE and mask & _IS_FOLDER:
                self._watch(self._folders[watch] / os.fsdecode(name))
            position += _HEAD.size + length
            count += 1
        return count

    def close(self) -> None:
        os.close(self.descriptor)

    def _watch(self, folder: Path) -> None:
        watch = self._libc.inotify_add_watch(self.descriptor, os.fsencode(folder), _CHANGES)
        if watch >= 0:  # else it is gone again
            self._folders[watch] = folder
