"""Blocking ComfyUI API client: HTTP for commands, a websocket thread that collects the events of every prompt."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import aiohttp
from PIL import Image

from host_support.run import Event, Json, Run, parse_binary

_HTTP_SECONDS = 120


class PromptRefusedError(Exception):
    """The server refused a prompt, or some of its outputs, before running it.

    node_errors: node → {errors: [{type, message, details, extra_info}], dependent_outputs, class_type}
    """

    def __init__(self, status: int, answer: Json) -> None:
        error = answer.get("error") or {}
        self.node_errors: Json = answer.get("node_errors") or {}
        messages = [_message(error if isinstance(error, dict) else {"message": error})] if error else []
        for node, about in self.node_errors.items():
            messages += [f"{node} {about.get('class_type')}: {_message(error)}" for error in about["errors"]]
        super().__init__(f"HTTP {status}: " + "; ".join(messages))


class Client:
    """A client of one server with an id and a websocket of its own. explain: text appended to timeouts (server log)."""

    def __init__(self, address: str, explain: Callable[[], str] = lambda: "") -> None:
        self.address = address
        self.client_id = uuid.uuid4().hex
        self._explain = explain
        self._events: defaultdict[str, list[Event]] = defaultdict(list)
        self._changed = threading.Condition()
        self._open = True
        self._connected = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True)
        self._thread.start()
        if not self._connected.wait(_HTTP_SECONDS):
            raise TimeoutError(f"no websocket to {address}\n{explain()}")

    def run(self, prompt: Json, timeout: float = 300, *, workflow: Json | None = None) -> Run:
        """Queues a prompt in API format and waits until it ends, well or not."""
        return self.start(prompt, workflow=workflow).wait(timeout)

    def start(self, prompt: Json, *, workflow: Json | None = None) -> Run:
        """Queues a prompt and returns at once; PromptRefusedError where any of its outputs is refused.

        workflow: the UI graph that is written into saved files
        """
        extra = {"extra_pnginfo": {"workflow": workflow}} if workflow is not None else {}
        body = {"prompt": prompt, "client_id": self.client_id, "extra_data": extra}
        status, raw = self.request("POST", "/prompt", body)
        answer: Json = json.loads(raw)
        if status == 200 and answer.get("node_errors"):
            self.post("/queue", {"delete": [answer["prompt_id"]]})
        if status != 200 or answer.get("node_errors"):
            raise PromptRefusedError(status, answer)
        return Run(self, answer["prompt_id"])

    def interrupt(self) -> None:
        """The page's Cancel."""
        self.post("/interrupt", {})

    def free(self) -> None:
        """Unloads models and drops the cache; the server does so before its next prompt, not at once."""
        self.post("/free", {"unload_models": True, "free_memory": True})

    def settle(self, timeout: float = 60) -> None:
        """Clears the queue, cancels what runs, and waits until nothing does."""
        self.post("/queue", {"clear": True})
        deadline = time.monotonic() + timeout
        while self.get("/queue")["queue_running"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"a prompt still runs {timeout:g} s after Cancel\n{self._explain()}")
            self.interrupt()
            time.sleep(0.1)

    def object_info(self, node: str = "") -> Json:
        """Schemas of every node (or one), as the page gets them."""
        info: Json = self.get(f"/object_info/{node}".rstrip("/"))
        return info

    def view(self, filename: str, subfolder: str = "", type: str = "output") -> bytes:
        """A file's bytes. Takes an entry of `ui.images` as keywords."""
        query = urllib.parse.urlencode({"filename": filename, "subfolder": subfolder, "type": type})
        status, data = self.request("GET", f"/view?{query}")
        assert status == 200, f"/view of {type}/{subfolder}/{filename}: HTTP {status}"
        return data

    def image(self, **entry: str) -> Image.Image:
        return Image.open(io.BytesIO(self.view(**entry)))

    def get(self, path: str) -> Any:
        return self._json("GET", path)

    def post(self, path: str, body: Any) -> Any:
        """The answer's JSON; None where it is empty."""
        return self._json("POST", path, body)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Any request: (HTTP status, body)."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"http://{self.address}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=_HTTP_SECONDS) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def events_of(self, prompt_id: str) -> list[Event]:
        with self._changed:
            return list(self._events[prompt_id])

    def wait_for_event(
        self, prompt_id: str, fits: Callable[[Event], bool], ends: Callable[[Event], bool], timeout: float
    ) -> Event:
        """The first event of a prompt that fits; AssertionError when one that `ends` comes first."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                events = self._events[prompt_id]
                for event in events:
                    if fits(event):
                        return event
                    if ends(event):
                        kinds = [other.kind for other in events]
                        raise AssertionError(f"the prompt ended without the expected event; it sent {kinds}")
                if not self._open:
                    raise ConnectionError(f"the server closed the websocket\n{self._explain()}")
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(
                        f"not within {timeout:g} s; last event {events[-1:]}\n{self._explain()}"
                    )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._socket.close(), self._loop).result(_HTTP_SECONDS)
        self._thread.join()

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        status, data = self.request(method, path, body)
        assert status == 200, f"{method} {path}: HTTP {status} {data[:300]!r}"
        return json.loads(data) if data.strip() else None

    async def _listen(self) -> None:
        url = f"http://{self.address}/ws?clientId={self.client_id}"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
            # Only a client that announces this gets previews with the id of their node.
            await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
            self._loop, self._socket = asyncio.get_running_loop(), socket
            self._connected.set()
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    said = json.loads(message.data)
                    self._append(Event(said["type"], said.get("data") or {}))
                elif message.type is aiohttp.WSMsgType.BINARY and (event := parse_binary(message.data)):
                    self._append(event)
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _append(self, event: Event) -> None:
        with self._changed:
            self._events[event.data.get("prompt_id", "")].append(event)
            self._changed.notify_all()


def _message(error: Json) -> str:
    details = f" ({error['details']})" if error.get("details") else ""
    return f"{error.get('message')}{details}"
