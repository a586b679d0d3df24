"""Interface language of the user whose prompt is running."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from .running_server import running_server

try:
    from comfy_execution.utils import get_executing_context
except ImportError:  # a runtime without prompts

    def get_executing_context() -> Any:
        return None


_ENGLISH = "en"
_MOST_PROMPTS = 1000  # more than a queue holds; older ones have finished
_request_language: ContextVar[str] = ContextVar(
    "the language of the request being answered", default=_ENGLISH
)
_by_prompt: OrderedDict[str, str] = OrderedDict()


def listen() -> None:
    """Record the language of every queued prompt. To be called once, while ComfyUI loads its nodes."""
    server = running_server()
    if server is None:
        return
    from aiohttp import web  # the server's own

    @web.middleware
    async def record_language(request: Any, handler: Any) -> Any:
        if request.method == "POST" and request.path.endswith("/prompt"):
            _request_language.set(language_of(server, request))
        return await handler(request)

    server.app.middlewares.append(record_language)
    server.add_on_prompt_handler(note)


def note(prompt: dict[str, Any]) -> dict[str, Any]:
    """Store the requesting user's language by prompt id; assigns an id where the page gave none."""
    prompt_id = prompt.setdefault("prompt_id", str(uuid.uuid4()))
    _by_prompt[str(prompt_id)] = _request_language.get()
    while len(_by_prompt) > _MOST_PROMPTS:
        _by_prompt.popitem(last=False)
    return prompt


def current() -> str:
    """The language for the node running in this thread, such as "en" or "zh"; English if unknown."""
    running = get_executing_context()
    return _by_prompt.get(str(running.prompt_id), _ENGLISH) if running else _ENGLISH


def language_of(server: Any, request: Any) -> str:
    """The user's Comfy.Locale setting, else the browser's preferred language, as the page itself decides."""
    chosen = None
    with suppress(Exception):  # an unknown user, or another settings API: English is better than a failed run
        chosen = server.user_manager.settings.get_settings(request).get("Comfy.Locale")
    preferred = request.headers.get("Accept-Language", "").split(",")[0].split(";")[0].strip()
    return str(chosen or preferred or _ENGLISH)
