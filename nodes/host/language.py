"""The language of the page that asked for what runs now."""

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
_MOST_PROMPTS = 1000  # more than a queue holds; older ones have run
_asked_in: ContextVar[str] = ContextVar("the language of the request being answered", default=_ENGLISH)
_by_prompt: OrderedDict[str, str] = OrderedDict()


def listen() -> None:
    """Note the language of every prompt that is queued. To be called once, while ComfyUI loads its nodes."""
    server = running_server()
    if server is None:
        return
    from aiohttp import web  # the server's own

    @web.middleware
    async def hear(request: Any, handler: Any) -> Any:
        if request.method == "POST" and request.path.endswith("/prompt"):
            _asked_in.set(language_of(server, request))
        return await handler(request)

    server.app.middlewares.append(hear)
    server.add_on_prompt_handler(note)


def note(prompt: dict[str, Any]) -> dict[str, Any]:
    """Remember the asker's language under the prompt's id, which is given here where the page gave none."""
    prompt_id = prompt.setdefault("prompt_id", str(uuid.uuid4()))
    _by_prompt[str(prompt_id)] = _asked_in.get()
    while len(_by_prompt) > _MOST_PROMPTS:
        _by_prompt.popitem(last=False)
    return prompt


def current() -> str:
    """The language for the node that runs in this thread, such as "en" or "zh"; English if nobody chose one."""
    running = get_executing_context()
    return _by_prompt.get(str(running.prompt_id), _ENGLISH) if running else _ENGLISH


def language_of(server: Any, request: Any) -> str:
    """The page's language setting of the user who asks, or else what the browser prefers, as the page does it."""
    chosen = None
    with suppress(Exception):  # an unknown user, or settings kept otherwise: the words are no reason to fail
        chosen = server.user_manager.settings.get_settings(request).get("Comfy.Locale")
    preferred = request.headers.get("Accept-Language", "").split(",")[0].split(";")[0].strip()
    return str(chosen or preferred or _ENGLISH)
