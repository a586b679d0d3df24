"""Size-bounded LRU cache on disk (SQLite), shared by threads and processes.

Off unless a host sets one with `keep_in`: a library must not fill disks unasked.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from .logs import logger_of

_without_sqlite: Exception | None = None
try:
    import sqlite3
except Exception as error:  # Python built without it, or its shared library is missing or broken
    _without_sqlite = error

_log = logger_of(__name__)

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, used INTEGER NOT NULL, content BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS by_use ON entries (used);
"""
_BUSY_TIMEOUT_S = 30
_DIGEST_BYTES = 8
_TOUCH_AFTER_MS = 3_600_000
_SHARE_AFTER_TRIM = 0.9
_TRIMS_PER_LIMIT = 50
_SLOWER = "Everything works without it, but slower."
_ENVIRONMENT = "GANRM_CACHE"
_OFF = ("off", "none", "no", "false", "0")
FILE = "features.sqlite"
MOST_BYTES = 2 * 10**9
"""Default size limit: features of about 90,000 scored pictures."""


class DiskCache:
    """Bytes by key in one SQLite file of at most `most_bytes`; the least recently used entries are evicted first.

    Never raises for a disk that is full, locked or not writable: the cache then holds nothing, with one warning in
    the log. A damaged file is replaced by an empty one, a damaged entry counts as missing.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path = path
        self.most_bytes = most_bytes
        self.hits = self.misses = 0
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._recreated = self._unusable = False
        self._written = most_bytes  # so that the first write checks the size

    def get(self, key: str) -> bytes | None:
        """The value last put under `key`, or None."""
        with self._lock:
            try:
                content = self._get(key)
            except sqlite3.Error as error:
                self._recover(error)
                content = None
            if content is None:
                self.misses += 1
            else:
                self.hits += 1
            return content

    def put(self, key: str, content: bytes) -> None:
        with self._lock:
            try:
                self._put(key, content)
            except sqlite3.Error as error:
                self._recover(error)

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
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
        content = bytes(kept[_DIGEST_BYTES:])
        if kept[:_DIGEST_BYTES] != _digest(content):
            database.execute("DELETE FROM entries WHERE key = ?", (key,))
            return None
        # Once an hour at most: reading must not cost a write.
        if _now() - used > _TOUCH_AFTER_MS:
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
        evicted = []
        for key, length in oldest:
            if size <= self.most_bytes * _SHARE_AFTER_TRIM:
                break
            evicted.append((key,))
            size -= length
        database.executemany("DELETE FROM entries WHERE key = ?", evicted)

    def _open(self) -> sqlite3.Connection | None:
        if _without_sqlite:
            self._disable(_without_sqlite)
        if self._connection is None and not self._unusable:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error
        # Autocommit; `self._lock` serialises threads.
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            # Readers do not wait for writers; a crash may lose the last entries, never the file.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
            _pull_back(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _recover(self, error: sqlite3.Error) -> None:
        """Replace a damaged file by an empty one, once; after any other error disable the cache."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        # Subclasses mean a full or locked disk and the like, not damage.
        if type(error) is sqlite3.DatabaseError and not self._recreated:
            _log.warning("GAN-RM: the cache %s is damaged (%s) and is begun anew.", self.path, error)
            self._recreated = True
            for suffix in ("", "-wal", "-shm"):
                with suppress(OSError):
                    self.path.with_name(self.path.name + suffix).unlink()
        else:
            self._disable(error)

    def _disable(self, error: Exception) -> None:
        if not self._unusable:
            _log.warning("GAN-RM: the cache %s cannot be used (%s). %s", self.path, error, _SLOWER)
        self._unusable = True


_in_use: DiskCache | None = None


def keep_in(cache: DiskCache | None) -> None:
    """Set the cache of this process for features of files; None turns it off."""
    global _in_use
    _in_use = cache


def kept_in() -> DiskCache | None:
    """The cache that `keep_in` set, or None."""
    return _in_use


def cache_in(folder: Path | None, said: str = "") -> DiskCache | None:
    """The cache in the folder `said`, else in that of the environment variable GANRM_CACHE, else in `folder`.

    Either may begin with ~, or be "off", which gives None. An unknown folder gives None and a warning in the log.
    """
    said = _without_quotes(said) or _without_quotes(os.environ.get(_ENVIRONMENT, ""))
    if said.lower() in _OFF:
        return None
    try:
        chosen = Path(said).expanduser() if said else folder
    except RuntimeError:  # unknown user, or one without a home
        chosen = None
    if chosen is None:
        _log.warning(
            "GAN-RM: there is no cache, for %s is not known. %s To have one, set %s to a folder.",
            f"the home folder in {said!r}" if said else "this user's home folder",
            _SLOWER,
            _ENVIRONMENT,
        )
        return None
    return DiskCache(chosen.absolute() / FILE, MOST_BYTES)


def user_folder() -> Path | None:
    """The system's cache folder of this user for GAN-RM; None for a user without a home."""
    variable = {"win32": "LOCALAPPDATA", "darwin": ""}.get(sys.platform, "XDG_CACHE_HOME")
    below = {"win32": "AppData/Local", "darwin": "Library/Caches"}.get(sys.platform, ".cache")
    named = Path(os.environ.get(variable, ""))
    try:
        # Relative paths are ignored: https://specifications.freedesktop.org/basedir-spec
        return (named if named.is_absolute() else Path.home() / below) / "gan-rm"
    except RuntimeError:
        return None


def _without_quotes(text: str) -> str:
    """Without surrounding quotes, which Windows keeps in `set NAME="C:\\a folder"`."""
    return text.strip().strip("\"'").strip()


def _pull_back(database: sqlite3.Connection) -> None:
    """Shift stamps of the future to the present, in their order.

    Where the clock was set back, what was used before would outlast everything that is used from now on.
    """
    newest = database.execute("SELECT MAX(used) FROM entries").fetchone()[0] or 0
    if (ahead := newest - _now()) > 0:
        database.execute("UPDATE entries SET used = used - ?", (ahead,))


def _now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 10**6


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
