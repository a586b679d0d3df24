"""Runs scenarios in ComfyUI's own Python, without a server: what a node's code does to real models.

A scenario is a function without arguments in a module of `host_support/scenarios` that returns JSON values. All of a
module run in one process, since starting ComfyUI takes seconds; a scenario that raises fails its own test alone.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_support.install import PACK, ComfyUI

_RUNNER = Path(__file__).with_name("scenario_runner.py")


@dataclass(frozen=True)
class Ran:
    """What the scenarios of a module returned, by name."""

    results: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        """Its result; fails with the traceback if it raised."""
        result = self.results[name]
        assert "raised" not in result, result["raised"]
        return result["returned"]


def run_scenarios(comfyui: ComfyUI, module: str, folder: Path) -> Ran:
    """Run all scenarios of a module. `folder`: an empty one for what they write."""
    answer = folder / f"{module}.json"
    command = [
        str(comfyui.python),
        "-W",
        "ignore",
        str(_RUNNER),
        str(comfyui.path),
        str(PACK),
        module,
        str(answer),
    ]
    # Not in the repository: there `import nodes` would find ours.
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    assert answer.is_file(), (
        f"the scenarios of {module} ended early\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    return Ran(json.loads(answer.read_text(encoding="utf-8")))


def _environment() -> dict[str, str]:
    unwanted = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {"OMP_NUM_THREADS": str(min(4, os.cpu_count() or 1)), **kept, "PYTHONDONTWRITEBYTECODE": "1"}
