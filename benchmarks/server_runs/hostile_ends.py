"""Runs one hostile workflow, and says how it ended, all that was told, and whether a refusal is a sentence of ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPException

from host_support.client import PromptRefusedError
from host_support.run import Run
from host_support.server import Server

from .hostile_prompts import Workflow

_SECONDS = 900
_OWN = "ganrm_core.utils.errors."
_OURS = "GANRM"
_COMFYUIS = (
    *(
        "value_not_in_list",
        "invalid_input_type",
        "required_input_missing",
        "return_type_mismatch",
        "bad_linked_input",
    ),
    *(
        "value_smaller_than_min",
        "value_bigger_than_max",
        "exception_during_inner_validation",
        "dependency_cycle",
    ),
)
"""Refusals by checks of the server's own."""
_LONGEST = 1500  # some name every file that was left out


@dataclass(frozen=True)
class Told:
    """everything: all that a client could see. faults: why the message is none of ours."""

    end: str
    message: str
    everything: str
    faults: tuple[str, ...] = ()


def told(server: Server, workflow: Workflow) -> Told:
    """Runs it with a client of its own."""
    with server.client() as client:
        client.request("DELETE", "/probe/echo")
        try:
            run = client.start(workflow.prompt, workflow=workflow.workflow or None).wait(_SECONDS)
        except PromptRefusedError as error:
            return _refused(error)
        except (json.JSONDecodeError, UnicodeEncodeError, HTTPException) as error:
            # The server, or JSON itself, fails on it before the pack sees anything.
            return Told("refused by ComfyUI", str(error), str(error))
        except TimeoutError as error:
            client.settle()
            return Told("hung", str(error).partition("\n")[0], str(error), ("no end",))
        everything = json.dumps([run.history(), client.get("/probe/echo")])
        return _ran(run, everything)


def _ran(run: Run, everything: str) -> Told:
    if run.succeeded:
        return Told("done", "", everything)
    kind, node = str(run.error.get("exception_type")), str(run.error.get("node_type"))
    if not node.startswith(_OURS):
        return Told("failed in another's node", run.error_message, everything)
    faults = [] if kind.startswith(_OWN) else [f"{kind} in {node}"]
    return Told("failed with our words", run.error_message, everything, (*faults, *_style(run.error_message)))


def _refused(error: PromptRefusedError) -> Told:
    faults: list[str] = []
    own = False
    for about in error.node_errors.values():
        for each in about["errors"]:
            if not about["class_type"].startswith(_OURS) or each["type"] in _COMFYUIS:
                continue
            own = True
            details = str(each.get("details", ""))
            kind = str((each.get("extra_info") or {}).get("exception_type", ""))
            if kind and not kind.startswith(_OWN):
                faults.append(f"{kind} while validating {about['class_type']}")
            faults += _style(details)
    whole = json.dumps(error.node_errors)
    return Told(
        "refused by us" if own else "refused by ComfyUI", str(error), f"{whole} {error}", tuple(faults)
    )


def _style(message: str) -> list[str]:
    """What is wrong with a message's form."""
    found = []
    if not message.strip() or "Traceback" in message or "\n" in message.strip():
        found.append("no single line")
    if not message.rstrip().endswith((".", "!", "?", ")")):
        found.append("no sentence")
    if len(message) > _LONGEST:
        found.append(f"{len(message)} characters long")
    return found
