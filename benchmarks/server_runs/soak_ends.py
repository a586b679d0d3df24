"""Runs one prompt of the soak benchmark, and says how it ended and whether that is how it should."""

from __future__ import annotations

import time
from random import Random

from host_support.client import Client, PromptRefusedError
from host_support.run import Event, Run

from .soak_kinds import CANCELLED, FAILED, SUCCESS, Kind

_SECONDS = 1800
_LATEST_CANCEL = 2.0
"""Seconds after the start of a prompt."""


def ended(client: Client, kind: Kind, random: Random) -> tuple[str, str]:
    """How a prompt of this kind ended, and a fault; "" for the end it should have."""
    prompt, wait = kind.prompt(random), random.uniform(0, _LATEST_CANCEL)
    try:
        run = client.start(prompt)
        if kind.end == CANCELLED:
            _cancel(client, run, wait)
        run.wait(_SECONDS)
    except PromptRefusedError as error:
        return "refused", _fault(kind, FAILED, str(error))
    except TimeoutError as error:
        return "hung", str(error)
    if run.interrupted:
        return "cancelled", _fault(kind, CANCELLED, "")
    if run.succeeded:
        return "done", _fault(kind, SUCCESS, "")
    return "failed", _fault(kind, FAILED, run.error_message)


def _cancel(client: Client, run: Run, wait: float) -> None:
    # A Cancel before the start is forgotten by the server, and one after the end is none.
    run.wait_for(lambda event: event.kind in ("execution_start", "execution_cached") or _over(event))
    time.sleep(wait)
    if not any(map(_over, run.events)):
        client.interrupt()


def _over(event: Event) -> bool:
    return event.kind in ("execution_success", "execution_error")


def _fault(kind: Kind, end: str, told: str) -> str:
    if kind.end == CANCELLED and end == SUCCESS:
        return ""  # it was done before
    if kind.end != end:
        return f"{end} instead of {kind.end}: {told}"
    if kind.words not in told or "Traceback" in told:
        return f'the message does not say "{kind.words}": {told}'
    return ""
