"""Calls in a subprocess with little memory and time, for files that somebody made to use up both."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

_PROGRAM = """
import json, resource, sys, time
{setup}
from ganrm_core.utils.errors import GanRMError
with open("/proc/self/statm") as file:
    taken = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + {memory}, taken + {memory}))
for path in sys.argv[1:]:
    began = time.process_time()
    try:
        {call}
        end = "accepted"
    except GanRMError as error:
        end = str(error)
    print(json.dumps([path, end, time.process_time() - began]), flush=True)
"""


def ends(
    paths: list[Path], setup: str, call: str, *, memory: int = 500 << 20, seconds: float = 10
) -> Mapping[str, str]:
    """What `call`, which reads the file `path`, says of each file: the message of its error, or "accepted".

    Any other error, more memory on top of the libraries or more processor time than given fails the test.
    """
    program = _PROGRAM.format(setup=setup, call=call, memory=memory)
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, paths)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {path: took for path, _, took in lines if took > seconds} == {}
    return {Path(path).name: end for path, end, _ in lines}
