"""Users without a home folder, or unknown to the system, as in a container started with `--user 12345`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
ASKED = ("HOME", "USER", "NAME", "_CACHE", "_CACHE_DIR")
"""Endings of the variables that tell who the user is, or where his files are kept."""
UNKNOWN_TO_THE_SYSTEM = """
import pwd, sys
def getpwuid(uid): raise KeyError(uid)
pwd.getpwuid = getpwuid
from ganrm_core.cli import main; sys.exit(main(sys.argv[1:]))
"""
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="users are known otherwise there")


def test_a_process_of_a_user_unknown_to_the_system(trained: Any) -> None:
    score = ["score", trained.checkpoint, trained.liked / "liked00.png"]
    ran = subprocess.run(
        [sys.executable, "-c", UNKNOWN_TO_THE_SYSTEM, *score],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.endswith(ASKED)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("home folder") == 1
