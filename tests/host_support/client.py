"""ComfyUI's API as its page uses it: HTTP for commands, a websocket for what happens meanwhile."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
from PIL import Image

from host_support.run import Event, Json, Run, parse_binary

T = TypeVar("T")

_HTTP_SECONDS = 120


class PromptRefusedError(Exception):
    """The server refused a prompt, or some of its outputs, before running it.

    error: {type, message, details, extra_info}; empty where only some outputs were refused
    node_errors: node → {errors: [{type, message, details, extra_info}], dependent_outputs, class_type}
    """

    def __init__(self, status: int, answer: Json) -> None:
        self.status = status
        error = answer.get("error") or {}
        self.error: Json = error if isinstance(error, dict) else {"message": str(error)}
        self.node_errors: Json = answer.get("node_errors") or {}
        super().__init__(f"HTTP {status}: " + "; ".join(self.messages))

    @property
    def messages(self) -> list[str]:
        """What the page would show: the error, then each node's, as "node class: message (details)"."""
        own = [_said(self.error)] if self.error else []
        return own + [
            f"{node} {about.get('class_type')}: {_said(error)}"
            for node, about in self.node_errors.items()
            for error in about["errors"]
        ]


class Client:
    """One client of a server, with an id and a websocket of its own; its methods block.

    preview_metadata: whether it announces, as the page does, that it understands previews with their node's id
    explain: what to add to the message when something does not happen in time (the server's log)
    """

    def __init__(
        self, address: str, *, preview_metadata: bool = True, explain: Callable[[], str] = lambda: ""
    ) -> None:
        self.address = address
        self.client_id = uuid.uuid4().hex
        self.features: Json = {}
        self._explain = explain
        self._announce = preview_metadata
        self._events: dict[str, list[Event]] = {}
        self._last: tuple[str, str | None] = ("", None)  # prompt and node of the latest "executing"
        self._changed = threading.Condition()
        self._open = True
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="comfyui-client", daemon=True)
        self._thread.start()
        self._session: aiohttp.ClientSession
        self._listening = self._do(self._connect())

    # Prompts

    def run(self, prompt: Json, timeout: float = 120, **options: Any) -> Run:
        """Queues a prompt (API format), waits for its end; good or bad: see Run."""
        return self.start(prompt, **options).wait(timeout)

    def start(self, prompt: Json, *, workflow: Json | None = None, partial: bool = False) -> Run:
        """Queues a prompt and returns at once.

        workflow: the UI graph that goes into saved files. partial: accept it where only some outputs are refused.
        Raises PromptRefusedError.
        """
        extra = {"extra_pnginfo": {"workflow": workflow}} if workflow is not None else {}
        body = {"prompt": prompt, "client_id": self.client_id, "extra_data": extra}
        status, raw = self.request("POST", "/prompt", body)
        answer: Json = json.loads(raw)
        if status != 200 or (answer.get("node_errors") and not partial):
            if status == 200:
                self.post("/queue", {"delete": [answer["prompt_id"]]})
            raise PromptRefusedError(status, answer)
        return Run(self, answer["prompt_id"], answer.get("node_errors") or {})

    def history(self, prompt_id: str) -> Json:
        """{prompt, outputs, status, meta} of a finished prompt; empty while there is none."""
        record: Json = self.get(f"/history/{prompt_id}").get(prompt_id, {})
        return record

    def interrupt(self) -> None:
        """The page's Cancel."""
        self.post("/interrupt", {})

    def free(self, unload_models: bool = True, free_memory: bool = True) -> None:
        """Unloads models and drops the cache; the server does so before its next prompt, not at once."""
        self.post("/free", {"unload_models": unload_models, "free_memory": free_memory})

    def settle(self, timeout: float = 60) -> None:
        """Clears the queue, cancels what runs, and waits until nothing does."""
        self.post("/queue", {"clear": True})
        deadline = time.monotonic() + timeout
        while self.get("/queue")["queue_running"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"a prompt still runs {timeout:g} s after Cancel\n{self._explain()}")
            self.interrupt()
            time.sleep(0.1)

    # Files and facts

    def object_info(self, node: str | None = None) -> Json:
        """Every node's (or one's) inputs and outputs, as the page gets them."""
        info: Json = self.get("/object_info" if node is None else f"/object_info/{node}")
        return info

    def view(self, filename: str, subfolder: str = "", type: str = "output") -> bytes:
        """A file's bytes. Takes an entry of `ui.images` as keywords."""
        status, data = self.request(
            "GET", "/view", query={"filename": filename, "subfolder": subfolder, "type": type}
        )
        assert status == 200, f"/view of {type}/{subfolder}/{filename}: HTTP {status}"
        return data

    def image(self, filename: str, subfolder: str = "", type: str = "output") -> Image.Image:
        return Image.open(io.BytesIO(self.view(filename, subfolder, type)))

    def upload(self, path: Path, subfolder: str = "") -> Json:
        """Puts a picture into `input`; {name, subfolder, type}."""
        return self._do(self._upload(path, subfolder))

    def get(self, path: str) -> Any:
        status, data = self.request("GET", path)
        assert status == 200, f"GET {path}: HTTP {status} {data[:300]!r}"
        return json.loads(data)

    def post(self, path: str, body: Json) -> Any:
        """The answer's JSON; None where it is empty."""
        status, data = self.request("POST", path, body)
        assert status == 200, f"POST {path}: HTTP {status} {data[:300]!r}"
        return json.loads(data) if data.strip() else None

    def request(
        self, method: str, path: str, body: Json | None = None, query: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Any request: (HTTP status, body)."""
        return self._do(self._request(method, path, body, query))

    # Events

    def events_of(self, prompt_id: str) -> list[Event]:
        with self._changed:
            return list(self._events.get(prompt_id, ()))

    def wait_for_event(
        self, prompt_id: str, fits: Callable[[Event], bool], ends: Callable[[Event], bool], timeout: float
    ) -> Event:
        """The first event of a prompt that fits; AssertionError when one that `ends` comes first."""
        deadline = time.monotonic() + timeout
        seen = 0
        with self._changed:
            while True:
                events = self._events.get(prompt_id, [])
                for event in events[seen:]:
                    if fits(event):
                        return event
                    if ends(event):
                        kinds = [other.kind for other in events]
                        raise AssertionError(
                            f"the prompt ended without the event waited for; it sent {kinds}"
                        )
                seen = len(events)
                if not self._open:
                    raise ConnectionError(f"the server closed the websocket\n{self._explain()}")
                if not self._changed.wait(deadline - time.monotonic()):
                    last = events[-1] if events else None
                    raise TimeoutError(f"not within {timeout:g} s; last event {last}\n{self._explain()}")

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._do(self._disconnect())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_HTTP_SECONDS)

    async def _connect(self) -> asyncio.Task[None]:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_HTTP_SECONDS))
        url = f"http://{self.address}/ws?clientId={self.client_id}"
        socket = await self._session.ws_connect(url, max_msg_size=0)
        # The first message decides which previews come.
        features = {"supports_preview_metadata": self._announce}
        await socket.send_json({"type": "feature_flags", "data": features})
        return asyncio.create_task(self._listen(socket))

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse[Any]) -> None:
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    said = json.loads(message.data)
                    self._take(Event(said["type"], said.get("data") or {}))
                elif message.type is aiohttp.WSMsgType.BINARY:
                    event = parse_binary(message.data)
                    if event is not None:
                        self._take(event)
        finally:
            with self._changed:
                self._open = False
                self._changed.notify_all()

    def _take(self, event: Event) -> None:
        if event.kind == "feature_flags":
            self.features = event.data
        if event.kind == "executing":
            self._last = (event.data.get("prompt_id") or self._last[0], event.data.get("node"))
        if event.kind == "preview" and event.data["node_id"] is None:
            # The old form names neither: it belongs to what runs.
            event.data["node_id"] = self._last[1]
        prompt_id = event.data.get("prompt_id") or self._last[0]
        with self._changed:
            self._events.setdefault(prompt_id, []).append(event)
            self._changed.notify_all()

    async def _request(
        self, method: str, path: str, body: Json | None, query: Mapping[str, str] | None
    ) -> tuple[int, bytes]:
        url = f"http://{self.address}{path}"
        async with self._session.request(method, url, json=body, params=query) as answer:
            return answer.status, await answer.read()

    async def _upload(self, path: Path, subfolder: str) -> Json:
        form = aiohttp.FormData()
        form.add_field("image", path.read_bytes(), filename=path.name)
        form.add_field("subfolder", subfolder)
        async with self._session.post(f"http://{self.address}/upload/image", data=form) as answer:
            assert answer.status == 200, f"upload of {path.name}: HTTP {answer.status}"
            record: Json = await answer.json()
            return record

    async def _disconnect(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self._session.close()


def _said(error: Json) -> str:
    details = f" ({error['details']})" if error.get("details") else ""
    return f"{error.get('message', error)}{details}"
