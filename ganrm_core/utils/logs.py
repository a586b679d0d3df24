"""Logging: the logger `ganrm` with one child per package, quiet by default.

Levels: INFO for what a command does and how long it takes, WARNING for what the user should know. INFO is off until
the command line's `--verbose` or the host sets the level of `ganrm`.
"""

from __future__ import annotations

import logging

ROOT = "ganrm"
PACKAGE = "ganrm_core."


def logger_of(module: str) -> logging.Logger:
    """The logger `ganrm.training.trainer` for a module's `__name__`, under whatever path ComfyUI loads the pack."""
    return logging.getLogger(f"{ROOT}.{own_name(module).removeprefix(PACKAGE)}")


def own_name(module: str) -> str:
    """Module name from `ganrm_core.` on: ComfyUI loads packs under their whole path."""
    return module[max(0, module.rfind(PACKAGE)) :]


_logger = logging.getLogger(ROOT)
if not _logger.handlers:
    _logger.addHandler(logging.NullHandler())
    _logger.setLevel(logging.WARNING)  # ComfyUI's root logger shows INFO
