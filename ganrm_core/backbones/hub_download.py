"""Cancellable download of one file from the Hugging Face hub.

`huggingface_hub` resolves and opens the URL; the stream is read here, because the library's own download reports
progress every 10 MB only, and on a silent connection retries for about a minute without any callback.
"""

from __future__ import annotations

import os
import queue
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..utils.error_text import reason
from ..utils.errors import BackboneError

_CHUNK = 1 << 18
_QUEUED = 32  # chunks buffered in memory while the disk is slower than the network
_ASK_EVERY_S = 0.1
_TIMEOUT_S = 30.0
_TRIES = 4  # in a row without a single new byte
_WAIT_S = 1.0


@dataclass(frozen=True)
class HubFile:
    """A file on the hub: name, size in bytes, and sha256 where the hub gives one."""

    name: str
    size: int
    sha256: str | None


class HubTransfer:
    """Download of one file. Use it as a context manager: `open`, then `chunks`.

    A background thread waits for the network and touches neither disk nor callbacks. An exception raised by `ask`
    passes through at once, even while the connection hangs; the thread then ends by itself.
    """

    def __init__(self, label: str, repo: str, names: Sequence[str], instead: str) -> None:
        """Download the first of `names` that `repo` has.

        In error messages `label` names the file and `instead` says what to do without a connection.
        """
        self._label = label
        self._instead = instead
        self._arrived: queue.Queue[HubFile | bytes | Exception | None] = queue.Queue(_QUEUED)
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(repo, tuple(names)), name=f"download {label}", daemon=True
        )

    def __enter__(self) -> HubTransfer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def open(self, ask: Callable[[], None]) -> HubFile:
        """Wait for the file's size and hash. Raises BackboneError where it is not available."""
        file = self._next(ask)
        assert isinstance(file, HubFile)
        return file

    def chunks(self, ask: Callable[[], None]) -> Iterator[bytes]:
        """The file's content in order. `ask` is called before each chunk and at least every 0.1 s.

        Raises BackboneError where the connection breaks and cannot be resumed.
        """
        while (chunk := self._next(ask)) is not None:
            assert isinstance(chunk, bytes)
            yield chunk

    def _next(self, ask: Callable[[], None]) -> HubFile | bytes | None:
        while True:
            ask()
            try:
                item = self._arrived.get(timeout=_ASK_EVERY_S)
            except queue.Empty:
                continue
            if isinstance(item, Exception):
                raise item
            return item

    def _run(self, repo: str, names: Sequence[str]) -> None:
        try:
            try:
                url, file = _look_up(repo, names)
            except Exception as error:
                raise self._unavailable(repo, names, error) from error
            self._put(file)
            self._fetch(url, file.size)
            self._put(None)
        except _Stopped:
            return
        except Exception as error:
            # Re-raised in the caller's thread.
            self._put_quietly(error)

    def _fetch(self, url: str, size: int) -> None:
        done = failures = 0
        while done < size:
            before = done
            problem: Exception = OSError("the other side closed the connection")
            try:
                with _opened(url, done) as chunks:
                    for chunk in chunks:
                        self._put(chunk)
                        done += len(chunk)
                        if done > size:
                            break
            except _Stopped:
                raise
            except Exception as error:
                problem = error
            failures = 0 if done > before else failures + 1
            if done < size and failures >= _TRIES:
                raise BackboneError(
                    f"The download of {self._label} broke off after {done / 1e6:.0f} of {size / 1e6:.0f} MB "
                    f"({reason(problem)}). Nothing was kept. Check the connection and try again. "
                    f"{self._instead}"
                ) from problem
            if done < size:
                self._stopped.wait(_WAIT_S)

    def _put(self, item: HubFile | bytes | Exception | None) -> None:
        while not self._stopped.is_set():
            try:
                self._arrived.put(item, timeout=_ASK_EVERY_S)
            except queue.Full:
                continue
            return
        raise _Stopped

    def _put_quietly(self, error: Exception) -> None:
        try:
            self._put(error)
        except _Stopped:
            return

    def _unavailable(self, repo: str, names: Sequence[str], error: Exception) -> BackboneError:
        status = _status(error)
        if status in (401, 403, 404):
            return BackboneError(
                f"{self._label} cannot be downloaded: the hub has no {' or '.join(names)} in {repo} that "
                f"anybody may fetch (HTTP {status}). It was moved or closed, or OpenCLIP is too old: update "
                "it with pip install --upgrade open_clip_torch, or choose another backbone."
            )
        what = (
            f"the hub answers with HTTP {status}" if status else f"the hub cannot be reached: {reason(error)}"
        )
        return BackboneError(
            f"{self._label} cannot be downloaded ({what}). Check the connection and try again. {self._instead}"
        )


class _Stopped(Exception):  # noqa: N818 – no error: the download was cancelled
    pass


def _look_up(repo: str, names: Sequence[str]) -> tuple[str, HubFile]:
    """URL of the first of `names` that exists, pinned to a revision, and its metadata."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    # The library reads it only once, on import.
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
    for name in names:
        try:
            about = get_hf_file_metadata(hf_hub_url(repo, name, endpoint=endpoint))
        except Exception as error:
            if _status(error) == 404 and name != names[-1]:
                continue
            raise
        if not about.commit_hash or not about.size:
            raise OSError("something else answers in its place, such as a proxy or a login page")
        url = hf_hub_url(repo, name, revision=about.commit_hash, endpoint=endpoint)
        is_sha256 = re.fullmatch(r"[0-9a-f]{64}", about.etag or "")
        return url, HubFile(name, about.size, about.etag if is_sha256 else None)
    raise ValueError("no name to look up")


@contextmanager
def _opened(url: str, start: int) -> Iterator[Iterator[bytes]]:
    """Open a stream of chunks of `url`, from byte `start` on."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    session: Any = get_session()
    if callable(session.stream):  # httpx, from huggingface_hub 1.0 on; a flag in requests
        opening = session.stream("GET", url, headers=headers, timeout=_TIMEOUT_S, follow_redirects=True)
        pieces = "iter_bytes"
    else:  # requests
        opening = session.get(url, headers=headers, timeout=_TIMEOUT_S, stream=True)
        pieces = "iter_content"
    with opening as response:
        hf_raise_for_status(response)
        if start and response.status_code != 206:
            raise OSError("the server cannot go on in the middle of a file")
        yield getattr(response, pieces)(_CHUNK)


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
