"""Node pack without nodes: reports every file that the server's Python touches below a watched folder.

$AUDIT_ROOT names the folder, $AUDIT_LOG the file that gets a line per event,
after a first one: "watching". Imports nothing of the tests.
"""

from __future__ import annotations

import os

from .watched import watch

NODE_CLASS_MAPPINGS: dict[str, object] = {}

if "AUDIT_ROOT" in os.environ:
    _log = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(_log, b"watching\n")
    watch(os.environ["AUDIT_ROOT"], lambda words: os.write(_log, f"{words}\n".encode("utf-8", "replace")))
