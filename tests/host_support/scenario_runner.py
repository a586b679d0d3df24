"""Runs in ComfyUI's Python: every public function of a scenario module, under inference mode as ComfyUI runs nodes.

Arguments: ComfyUI's folder, the pack's, the module's name, the file for the answer.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any


def main() -> None:
    comfyui, pack, name, answer = sys.argv[1:5]
    sys.argv = sys.argv[:1]
    sys.path[0] = comfyui  # instead of this file's folder
    sys.path.append(str(Path(pack, "tests")))
    package = ModuleType("gan_rm_pack")
    package.__path__ = [pack]
    sys.modules["gan_rm_pack"] = package
    # Before anything of ComfyUI asks for a device.
    from comfy.cli_args import args

    args.cpu = True
    module = importlib.import_module(f"host_support.scenarios.{name}")
    results = {word: _run(function) for word, function in _scenarios(module)}
    Path(answer).write_text(json.dumps(results), encoding="utf-8")


def _scenarios(module: ModuleType) -> list[tuple[str, Any]]:
    return [
        (name, function)
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and not name.startswith("_")
    ]


def _run(function: Any) -> dict[str, Any]:
    import torch

    try:
        with torch.inference_mode():
            return {"returned": function()}
    except BaseException:
        return {"raised": traceback.format_exc()}


if __name__ == "__main__":
    main()
