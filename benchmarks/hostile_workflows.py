"""Workflows that try to get out of ComfyUI's folders: python -m benchmarks.hostile_workflows [--workflows 200] [--seed 0]

Every text widget and every choice of every node of the pack, as the server lists them, gets values that name files and
folders outside: .., absolute paths, drives, shares, streams, NUL, over-long names, look-alikes of dots and slashes,
escapes, variables. They come as widgets, over links, as keys of nodes, in the workflow that is saved with a picture, and
in the metadata of pictures that are read. Links lie where results are written.

Beside ComfyUI's folder lie pictures, prompts and a model that no answer may show, no process open and nobody change; a
file anywhere but where the pack may write is an escape too. A refusal must be one sentence of ours, or of ComfyUI's own
check, never another exception. Exit code 1 for any. ComfyUI is found as by the host tests (CONTRIBUTING.md)."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.server_runs.hostile_ends import Told, told
from benchmarks.server_runs.hostile_pictures import make_hostile_pictures
from benchmarks.server_runs.hostile_prompts import Workflow, workflows
from benchmarks.server_runs.outside_watch import AUDIT_PACK, OutsideWatch
from benchmarks.server_runs.served import Server, served
from benchmarks.server_runs.whole_prompts import MODEL, Json

_SHOWN = 160


def main() -> int:
    parser = argparse.ArgumentParser(description="Workflows that try to get out of ComfyUI's folders.")
    parser.add_argument("--workflows", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="which of them")
    parser.add_argument(
        "--only", default="", help="those whose place has this in it, such as GANRMSaveImages"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        place = Path(name).resolve()
        watch = OutsideWatch(place)
        with served(place, packs=[AUDIT_PACK], networks=True) as server:
            make_hostile_pictures(server, watch.outside)
            watch.put_model(server, MODEL)
            with server.client() as client:
                info = client.object_info()  # of which some of ComfyUI's own nodes make folders
            watch.begin()
            return _attack(server, info, watch, options)


def _attack(server: Server, info: Json, watch: OutsideWatch, options: argparse.Namespace) -> int:
    ends: Counter[str] = Counter()
    attacked: set[str] = set()
    escapes = faults = 0
    started = time.monotonic()
    found = (each for each in workflows(info, watch.outside, options.seed) if options.only in each.where)
    for number, workflow in enumerate(itertools.islice(found, options.workflows)):
        answer = told(server, workflow)
        ends[answer.end] += 1
        attacked.add(workflow.where.partition(" ")[2])
        out = watch.escapes(server, answer.everything)
        escapes += len(out)
        faults += len(answer.faults)
        for words in (*(f"ESCAPE {each}" for each in out), *(f"FAULT {each}" for each in answer.faults)):
            print(f"{number}: {_named(workflow)}: {words}\n    {_short(answer)}", flush=True)
    minutes = (time.monotonic() - started) / 60
    print(f"{ends.total()} workflows on {len(attacked)} inputs in {minutes:.1f} min: ", end="")
    print(", ".join(f"{count} {end}" for end, count in ends.most_common()))
    print(f"{escapes} escapes, {faults} messages that are not ours or not one sentence")
    return int(bool(escapes or faults))


def _named(workflow: Workflow) -> str:
    value = json.dumps(workflow.attack.value)
    return f"{workflow.where}, {workflow.attack.kind}: {value[:_SHOWN]}"


def _short(answer: Told) -> str:
    message = answer.message[: 3 * _SHOWN].encode("utf-8", "replace").decode()
    return f"{answer.end}: {message}"


if __name__ == "__main__":
    sys.exit(main())
