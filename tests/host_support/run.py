"""What one queued prompt did: every event the server sent about it, in order."""

from __future__ import annotations

import io
import json
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from host_support.client import Client

Json = dict[str, Any]

_END = {"execution_success", "execution_error", "execution_interrupted"}


@dataclass(frozen=True)
class Event:
    """kind: the server's name for it, or "preview" or "text" for the binary ones. at: monotonic seconds."""

    kind: str
    data: Json
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Preview:
    """A picture sent while a node ran. form: 1 without, 4 with metadata (the binary event's type)."""

    node: str | None
    data: bytes
    form: int
    at: float

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.data))


class Run:
    """A prompt in the queue, running, or done. `wait` for its end; everything else may be read at any time."""

    def __init__(self, client: Client, prompt_id: str, node_errors: Json) -> None:
        self._client = client
        self.prompt_id = prompt_id
        self.node_errors = node_errors

    def wait(self, timeout: float = 120) -> Run:
        """Waits until the server is done with the prompt, its history written; TimeoutError with its log."""
        self.wait_for(_is_over, timeout)
        return self

    def wait_for(self, what: Callable[[Event], bool] | str, timeout: float = 60) -> Event:
        """Waits for the first event (already come or not) that fits: a test of one, or the name of a kind.

        Raises AssertionError when the prompt ends without it.
        """
        fits = (lambda event: event.kind == what) if isinstance(what, str) else what
        return self._client.wait_for_event(self.prompt_id, fits, _is_over, timeout)

    @property
    def events(self) -> list[Event]:
        return self._client.events_of(self.prompt_id)

    @property
    def over(self) -> bool:
        return any(_is_over(event) for event in self.events)

    @property
    def succeeded(self) -> bool:
        return bool(self._all("execution_success"))

    @property
    def interrupted(self) -> bool:
        return bool(self._all("execution_interrupted"))

    @property
    def error(self) -> Json | None:
        """Data of execution_error: node_id, node_type, exception_type, exception_message, traceback, …"""
        found = self._all("execution_error")
        return found[0] if found else None

    @property
    def error_message(self) -> str:
        """What the page shows of the error; empty without one."""
        return str(self.error["exception_message"]) if self.error else ""

    @property
    def outputs(self) -> dict[str, Json]:
        """Node → its `ui` values, from the `executed` events (cached output nodes send theirs again)."""
        return {data["node"]: data.get("output") or {} for data in self._all("executed")}

    @property
    def executed(self) -> list[str]:
        """The nodes that really ran, in order: the cached ones are missing."""
        nodes = [data["node"] for data in self._all("executing") if data.get("node") is not None]
        return list(dict.fromkeys(nodes))

    @property
    def cached(self) -> list[str]:
        return [node for data in self._all("execution_cached") for node in data["nodes"]]

    @property
    def previews(self) -> list[Preview]:
        events = [event for event in self.events if event.kind == "preview"]
        return [Preview(e.data["node_id"], e.data["image"], e.data["form"], e.at) for e in events]

    def previews_of(self, node: str) -> list[Preview]:
        return [preview for preview in self.previews if preview.node == node]

    def progress_of(self, node: str) -> list[tuple[float, float]]:
        """(value, max) of every progress event of a node, in order."""
        return [(data["value"], data["max"]) for data in self._all("progress") if data["node"] == node]

    def texts_of(self, node: str) -> list[str]:
        """Progress texts sent for a node."""
        return [data["text"] for data in self._all("text") if data["node_id"] == node]

    @property
    def seconds(self) -> float:
        """From the first to the last event so far."""
        events = self.events
        return events[-1].at - events[0].at if events else 0.0

    def history(self) -> Json:
        """The server's record of it: what a client sees that only asks /history."""
        return self._client.history(self.prompt_id)

    def expect_success(self) -> Run:
        """Itself; fails with the error's text and traceback unless it ended well."""
        if not self.succeeded:
            error = self.error
            where = (
                f"{error['node_type']} ({error['node_id']}): {error['exception_message']}" if error else ""
            )
            trace = "".join(error["traceback"]) if error else ""
            kinds = [event.kind for event in self.events if event.kind in _END]
            raise AssertionError(f"the prompt did not succeed: {kinds} {where}\n{trace}")
        return self

    def _all(self, kind: str) -> list[Json]:
        return [event.data for event in self.events if event.kind == kind]


def parse_binary(message: bytes) -> Event | None:
    """A binary websocket message as an event; None for a type not known here.

    Type 1 is `format | image`, type 3 `length | node | text`, type 4 `length | JSON | image`; numbers are big-endian
    uint32, read from ComfyUI's server.py.
    """
    (form,) = struct.unpack_from(">I", message)
    body = message[4:]
    (number,) = struct.unpack_from(">I", body)
    if form == 1:
        return Event("preview", {"form": 1, "image": body[4:], "node_id": None})
    if form == 3:
        node, text = body[4 : 4 + number], body[4 + number :]
        return Event("text", {"node_id": node.decode(), "text": text.decode()})
    if form == 4:
        about: Json = json.loads(body[4 : 4 + number])
        return Event("preview", {**about, "form": 4, "image": body[4 + number :]})
    return None


def _is_over(event: Event) -> bool:
    # The server says so only after it has written the history, later than execution_success.
    return event.kind == "executing" and event.data.get("node") is None
