"""Importing ComfyUI's classes into this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def add_comfyui() -> None:
    """Make `import comfy` find the ComfyUI at $COMFYUI_PATH, else ~/ComfyUI, on the CPU."""
    folder = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "ComfyUI")
    if not (folder / "comfy" / "sd.py").is_file():
        raise SystemExit(f"There is no ComfyUI at {folder}. Say where it is in COMFYUI_PATH.")
    if str(folder) in sys.path:
        return
    sys.path.insert(0, str(folder))
    arguments, sys.argv = sys.argv, [sys.argv[0], "--cpu"]
    try:
        import comfy.options

        comfy.options.enable_args_parsing()
        import comfy.cli_args
    finally:
        sys.argv = arguments
