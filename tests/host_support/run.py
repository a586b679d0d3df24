"""One queued prompt: the events the server sent about it, in order, and what they say of outputs and errors."""

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


@dataclass(frozen=True)
class Event:
    """kind: the server's name of the event, or "preview" for a binary one. at: monotonic seconds."""

    kind: str
    data: Json
    at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Preview:
    """An encoded picture sent while a node ran."""

    node: str
    data: bytes
    at: float

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.data))


class Run:
    """A prompt that is queued, running or done. `wait` for its end; everything else may be read at any time."""

    def __init__(self, client: Client, prompt_id: str) -> None:
        self._client = client
        self.prompt_id = prompt_id

    def wait(self, timeout: float = 300) -> Run:
        """Waits until the prompt has ended and its history is written; TimeoutError with the server's log."""
        self.wait_for(_is_over, timeout)
        return self

    def wait_for(self, what: Callable[[Event], bool] | str, timeout: float = 300) -> Event:
        """The first event, past or to come, that satisfies a predicate or has this kind.

        Raises AssertionError when the prompt ends without it.
        """
        fits = (lambda event: event.kind == what) if isinstance(what, str) else what
        return self._client.wait_for_event(self.prompt_id, fits, _is_over, timeout)

    @property
    def events(self) -> list[Event]:
        return self._client.events_of(self.prompt_id)

    @property
    def succeeded(self) -> bool:
        return bool(self._all("execution_success"))

    @property
    def interrupted(self) -> bool:
        return bool(self._all("execution_interrupted"))

    @property
    def error(self) -> Json:
        """Data of execution_error (node_id, node_type, exception_type, exception_message, traceback, …), or {}."""
        return next(iter(self._all("execution_error")), {})

    @property
    def error_message(self) -> str:
        """What the page shows of the error; empty without one."""
        return str(self.error.get("exception_message", ""))

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

    def previews_of(self, node: str) -> list[Preview]:
        events = [event for event in self.events if event.kind == "preview" and event.data["node_id"] == node]
        return [Preview(node, event.data["image"], event.at) for event in events]

    def progress_of(self, node: str) -> list[tuple[float, float]]:
        """(value, max) of every progress event of a node, in order."""
        return [(data["value"], data["max"]) for data in self._all("progress") if data["node"] == node]

    def history(self) -> Json:
        """{prompt, outputs, status, meta}: what a client sees that only asks /history."""
        record: Json = self._client.get(f"/history/{self.prompt_id}")[self.prompt_id]
        return record

    def expect_success(self) -> Run:
        """Itself; fails with the error's text and traceback unless it ended well."""
        if not self.succeeded:
            where = "{node_type} ({node_id}): {exception_message}".format(**self.error) if self.error else ""
            trace = "".join(self.error.get("traceback", []))
            kinds = [event.kind for event in self.events if event.kind.startswith("execution_")]
            raise AssertionError(f"the prompt did not succeed: {kinds} {where}\n{trace}")
        return self

    def _all(self, kind: str) -> list[Json]:
        return [event.data for event in self.events if event.kind == kind]


def parse_binary(message: bytes) -> Event | None:
    """A preview with metadata (type 4: `length | JSON | image`, big-endian uint32) as an event, else None."""
    kind, length = struct.unpack_from(">II", message)
    if kind != 4:
        return None
    about: Json = json.loads(message[8 : 8 + length])
    return Event("preview", {**about, "image": message[8 + length :]})


def _is_over(event: Event) -> bool:
    # The server says so only after it has written the history, later than execution_success.
    return event.kind == "executing" and event.data.get("node") is None
