"""A hub on this machine that serves files over HTTP, and misbehaves as told. Point HF_ENDPOINT at its `url`."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hub:
    """What the hub does.

    `files` are those of every repository. `requests` lists what was asked: method, range, file.
    `cuts` says after how many bytes each next answer breaks off, in turn; at `stall_at` bytes every
    answer stops until `go_on` is set. The others: answer with another status, ignore ranges, leave
    out the hub's own headers, tell no sha256, send other bytes than announced.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    stall_at: int | None = None
    status: int = 200
    knows_ranges: bool = True
    is_hub: bool = True
    tells_sha256: bool = True
    alters: bool = False
    go_on: threading.Event = field(default_factory=threading.Event)


@contextmanager
def running() -> Iterator[Hub]:
    """A hub on a free port of the loopback, until the block is left."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, hub)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, hub: Hub) -> None:
    name = handler.path.rpartition("/")[2]
    wanted = handler.headers.get("Range", "")
    hub.requests.append(f"{handler.command} {wanted} {name}")
    content = hub.files.get(name)
    if content is None or hub.status != 200:
        handler.send_error(404 if hub.status == 200 else hub.status)
        return
    start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and hub.knows_ranges else 0
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    if hub.is_hub:
        handler.send_header("X-Repo-Commit", "0" * 40)
    digest = hashlib.sha256(content).hexdigest()
    handler.send_header("ETag", f'"{digest if hub.tells_sha256 else digest[:40]}"')
    handler.send_header("Content-Length", str(len(content) - start))
    handler.end_headers()
    if handler.command == "HEAD":
        return
    body = bytes(255 - byte for byte in content) if hub.alters else content
    stop = min(len(body), start + hub.cuts.pop(0)) if hub.cuts else len(body)
    if hub.stall_at is not None:
        handler.wfile.write(body[: hub.stall_at])
        hub.go_on.wait()
        return
    handler.wfile.write(body[start:stop])
    handler.close_connection = True
