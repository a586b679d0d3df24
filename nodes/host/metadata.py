"""What ComfyUI itself writes into the pictures it saves, and whether it wants that at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from comfy.cli_args import args


def wanted() -> bool:
    """False where ComfyUI was started with --disable-metadata: then nothing at all is written."""
    return not args.disable_metadata


def page_texts(prompt: Any, extra: Mapping[str, Any] | None) -> dict[str, str]:
    """Key and JSON of what makes the graph open when the picture is dragged onto the page.

    As ComfyUI's own nodes write it, save that figures JSON does not know (NaN, infinity) become null.
    """
    texts = {} if prompt is None else {"prompt": _as_json(prompt)}
    texts.update((key, _as_json(value)) for key, value in (extra or {}).items())
    return texts


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
