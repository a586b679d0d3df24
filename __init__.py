"""The door ComfyUI comes in by. It has no nodes yet, and imports nothing heavy."""

from __future__ import annotations

NODE_CLASS_MAPPINGS: dict[str, type] = {}

__all__ = ["NODE_CLASS_MAPPINGS"]
