"""Packages that only benchmarks read: fetched once, by their ordinary client, into a cache that git ignores.

The folder is `benchmarks/results/packages`, or what the environment variable GANRM_BENCHMARK_PACKAGES says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
CACHE = Path(os.environ.get("GANRM_BENCHMARK_PACKAGES") or RESULTS / "packages")


class PackageError(RuntimeError):
    """A package that is neither here nor can be had; the message says what to do."""


def timed(main: Callable[[], None]) -> None:
    """Run a benchmark and print its seconds; where a package is missing, only what to do about it."""
    started = time.perf_counter()
    try:
        main()
    except PackageError as error:
        sys.exit(str(error))
    print(f"{time.perf_counter() - started:.0f} s")


def npm_package(name: str, version: str, folder: Path | None = None) -> Path:
    """The archive of one version of an npm package; npm checks it against the registry's digest."""
    file = (folder or CACHE) / f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    return cached(file, ["npm", "pack", "--silent", f"{name}@{version}"])


def cached(file: Path, command: Sequence[str]) -> Path:
    """`file`, which `command` leaves in its working folder, run where the file is absent."""
    if file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    told = f"Run it on a machine with a network and put {file.name} into {file.parent}: {' '.join(command)}"
    if shutil.which(command[0]) is None:
        raise PackageError(f"{file.name} is not here, and {command[0]} is not installed to fetch it. {told}")
    # Elsewhere first: an interrupted download must not look like a finished one.
    with tempfile.TemporaryDirectory(dir=file.parent) as home:
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
        made = Path(home) / file.name
        if done.returncode or not made.exists():
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise PackageError(
                f"{file.name} cannot be fetched ({lines[-1] if lines else 'nothing came'}). {told}"
            )
        made.rename(file)
    return file
