"""ComfyUI's image metadata (prompt and workflow as JSON texts), and its --disable-metadata option."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from comfy.cli_args import args


def wanted() -> bool:
    """False if ComfyUI was started with --disable-metadata: then no metadata at all is written."""
    return not args.disable_metadata


def page_texts(prompt: Any, extra: Mapping[str, Any] | None) -> dict[str, str]:
    """Metadata keys and JSON from which the page opens the graph when the image is dropped onto it.

    The same as ComfyUI's own nodes write, except that NaN and infinity, which JSON lacks, become null.
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
