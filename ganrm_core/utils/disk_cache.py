"""What took long to work out, kept on disk under a key, up to a size.

Nothing is kept unless a host says where (`keep_in`): a library that fills disks unasked would be a nuisance.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

_without_sqlite: Exception | None = None
try:
    import sqlite3
except Exception as error:  # some Pythons are built without it, and its library may be missing or broken
    _without_sqlite = error

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, used INTEGER NOT NULL, content BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS by_use ON entries (used);
"""
_BUSY_S = 30
_DIGEST = 8
_USED_AGAIN_MS = 3_600_000
_ROOM_AFTER_TRIM = 0.9
_TRIMS_PER_LIMIT = 50
_SLOWER = "Everything works without it, but slower."
_ENVIRONMENT = "GANRM_CACHE"
_OFF = ("off", "none", "no", "false", "0")
FILE = "features.sqlite"
MOST_BYTES = 2 * 10**9
"""What a host keeps unless told otherwise: features of about 90,000 scored pictures."""


class DiskCache:
    """Bytes by key in one SQLite file, which several threads and processes may use at once.

    `most_bytes` bounds what is kept; the least recently used goes first. Nothing here ever raises for
    a disk that is full, locked or not writable: a cache that cannot be used is one that holds nothing,
    and the log says so once. A damaged file is begun anew, a damaged entry counts as absent.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path = path
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._begun_anew = self._unusable = False
        self._written = most_bytes  # so that the first write looks how much is there

    def get(self, key: str) -> bytes | None:
        """What was last put under `key`, or None."""
        with self._lock:
            try:
                return self._get(key)
            except sqlite3.Error as error:
                self._give_up(error)
                return None

    def put(self, key: str, content: bytes) -> None:
        with self._lock:
            try:
                self._put(key, content)
            except sqlite3.Error as error:
                self._give_up(error)

    def close(self) -> None:
        """Let go of the file; it is opened again when needed."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _get(self, key: str) -> bytes | None:
        if (database := self._open()) is None:
            return None
        row = database.execute("SELECT used, content FROM entries WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        used, kept = row
        content = bytes(kept[_DIGEST:])
        if kept[:_DIGEST] != _digest(content):
            database.execute("DELETE FROM entries WHERE key = ?", (key,))
            return None
        # Not at every look: reading must not cost a write.
        if _now() - used > _USED_AGAIN_MS:
            database.execute("UPDATE entries SET used = ? WHERE key = ?", (_now(), key))
        return content

    def _put(self, key: str, content: bytes) -> None:
        if len(content) > self.most_bytes or (database := self._open()) is None:
            return
        database.execute(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)",
            (key, _now(), _digest(content) + content),
        )
        self._written += len(content)
        if self._written > self.most_bytes / _TRIMS_PER_LIMIT:
            self._written = 0
            self._trim(database)

    def _trim(self, database: sqlite3.Connection) -> None:
        size = database.execute("SELECT TOTAL(LENGTH(content)) FROM entries").fetchone()[0]
        if size <= self.most_bytes:
            return
        oldest = database.execute("SELECT key, LENGTH(content) FROM entries ORDER BY used, rowid").fetchall()
        doomed = []
        for key, length in oldest:
            if size <= self.most_bytes * _ROOM_AFTER_TRIM:
                break
            doomed.append((key,))
            size -= length
        database.executemany("DELETE FROM entries WHERE key = ?", doomed)

    def _open(self) -> sqlite3.Connection | None:
        if _without_sqlite:
            self._do_without(_without_sqlite)
        if self._connection is None and not self._unusable:
            self._connection = self._connected()
        return self._connection

    def _connected(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error
        # Each statement is a transaction of its own; the lock above keeps threads apart.
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            # Readers do not wait for a writer, and a crash may cost the last entries, never the file.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_up(self, error: sqlite3.Error) -> None:
        """Begin a damaged file anew, once; do without the cache from now on where that is not it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        # Subclasses stand for a full or locked disk and the like.
        if type(error) is sqlite3.DatabaseError and not self._begun_anew:
            logging.warning("GAN-RM: the cache %s is damaged (%s) and is begun anew.", self.path, error)
            self._begun_anew = True
            for suffix in ("", "-wal", "-shm"):
                with suppress(OSError):
                    self.path.with_name(self.path.name + suffix).unlink()
        else:
            self._do_without(error)

    def _do_without(self, error: Exception) -> None:
        if not self._unusable:
            logging.warning("GAN-RM: the cache %s cannot be used (%s). %s", self.path, error, _SLOWER)
        self._unusable = True


_in_use: DiskCache | None = None


def keep_in(cache: DiskCache | None) -> None:
    """From now on keep what this process works out of files in `cache`; None keeps nothing."""
    global _in_use
    _in_use = cache


def kept_in() -> DiskCache | None:
    return _in_use


def cache_in(folder: Path | None, said: str = "") -> DiskCache | None:
    """The cache where `said`, else the environment variable GANRM_CACHE says, else in `folder`.

    Both may name a folder, with ~ for the user's own, or say "off", which gives None. So does a folder that is not
    known; the log says so.
    """
    said = _without_quotes(said) or _without_quotes(os.environ.get(_ENVIRONMENT, ""))
    if said.lower() in _OFF:
        return None
    try:
        chosen = Path(said).expanduser() if said else folder
    except RuntimeError:  # there is no such user, or none with a home
        chosen = None
    if chosen is None:
        logging.warning(
            "GAN-RM: there is no cache, for %s is not known. %s To have one, set %s to a folder.",
            f"the home folder in {said!r}" if said else "this user's home folder",
            _SLOWER,
            _ENVIRONMENT,
        )
        return None
    return DiskCache(chosen.absolute() / FILE, MOST_BYTES)


def user_folder() -> Path | None:
    """Where programs of this system keep what can be worked out again; None for a user without a home."""
    variable = {"win32": "LOCALAPPDATA", "darwin": ""}.get(sys.platform, "XDG_CACHE_HOME")
    below = {"win32": "AppData/Local", "darwin": "Library/Caches"}.get(sys.platform, ".cache")
    named = Path(os.environ.get(variable, ""))
    try:
        # A relative path is to be ignored: https://specifications.freedesktop.org/basedir-spec
        return (named if named.is_absolute() else Path.home() / below) / "gan-rm"
    except RuntimeError:
        return None


def _without_quotes(text: str) -> str:
    """As it was meant where quotes came along: Windows keeps those of `set NAME="C:\\a folder"`."""
    return text.strip().strip("\"'").strip()


def _now() -> int:
    """In milliseconds."""
    return time.time_ns() // 10**6


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()
